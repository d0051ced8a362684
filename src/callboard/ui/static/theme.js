// Dark or light: what the system says, until somebody switches. The choice is a cookie, so the server's next page
// already has it and nothing flickers.

export function switchTheme() {
  document.querySelector("[data-theme-switch]")?.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = getComputedStyle(root).colorScheme === "dark"
      || (root.dataset.theme === undefined && matchMedia("(prefers-color-scheme: dark)").matches);
    const chosen = dark ? "light" : "dark";
    root.dataset.theme = chosen;
    document.cookie = `callboard-theme=${chosen}; path=/; max-age=31536000; samesite=lax`;
  });
}
