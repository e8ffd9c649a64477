// A guest link's page: the secret is in the address' fragment, which no browser sends. It goes into the form, and out of the address bar.

const form = document.getElementById("door");
const field = form?.elements.namedItem("secret");
const secret = location.hash.slice(1);

if (field && secret) {
  field.value = secret;
  history.replaceState(null, "", location.pathname);
}
if (form && !field.value) {
  form.hidden = true;
  document.getElementById("door-bad").hidden = false;
}
