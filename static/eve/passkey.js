// Makes a passkey, or asks for one, then sends the form with the browser's answer in it.

const form = document.querySelector("form[data-passkey]");
const said = form.querySelector("[data-said]");

/** Shows one of the sentences of parts/passkey_words.html: "old", "known" or "no". */
function say(which) {
  for (const words of said.querySelectorAll("span")) words.hidden = !words.hasAttribute(`data-said-${which}`);
  said.hidden = false;
}

/** The browser's answer as JSON (WebAuthn level 3). Throws what the browser throws, or TypeError where it knows no passkeys. */
async function answerOf(how, options) {
  if (how === "create") {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return (await navigator.credentials.create({ publicKey })).toJSON();
  }
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return (await navigator.credentials.get({ publicKey })).toJSON();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button[type=submit]");
  said.hidden = true;
  button.disabled = true;
  try {
    const answer = await answerOf(form.dataset.passkey, JSON.parse(form.dataset.options));
    form.elements.answer.value = JSON.stringify(answer);
    form.submit();
  } catch (error) {
    button.disabled = false;
    if (error instanceof TypeError || error instanceof ReferenceError) say("old");
    else if (error.name === "InvalidStateError") say("known");
    else say("no");
  }
});
