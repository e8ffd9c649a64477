// Whether this page was opened at an address of Eve's own. Pages of other addresses may open no websocket, so that no other site
// can open one in somebody's name; the browser's own word counts here, since a proxy may tell Eve another.

const { origins = "", publicUrl = "" } = document.querySelector('meta[name="eve-address"]')?.dataset ?? {};

export const isAtHome = origins.split(" ").includes(location.origin);

/** Points the link in `element` to this page at Eve's own address, where it was opened elsewhere. */
export function pointHome(element) {
  const link = element?.querySelector("[data-home]");
  if (link) link.href = new URL(location.pathname, publicUrl).href;
}
