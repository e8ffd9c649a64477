// Sets light or dark and the font before the first paint: a classic script, because modules run too late.
(() => {
  const root = document.documentElement;
  const { font, theme } = document.currentScript.dataset; // theme: a page that has only one, such as the console
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    let chosen = theme;
    try {
      chosen ??= localStorage.getItem("eve-theme");
    } catch {
      // Storage may be forbidden; the system's wish holds then.
    }
    root.dataset.bsTheme = chosen === "light" || chosen === "dark" ? chosen : system.matches ? "dark" : "light";
  };
  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", apply);

  if (font) {
    const inter = new FontFace("Inter", `url("${font}") format("woff2")`, { weight: "100 900", display: "swap" });
    document.fonts.add(inter);
  }
})();
