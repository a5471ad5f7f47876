// <theme-switch>: applies the chosen theme at once. Without JavaScript its form posts and the page reloads.
customElements.define("theme-switch", class extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => {
      const button = event.target.closest("button[name=theme]");
      if (!button) return;
      event.preventDefault();
      const secure = location.protocol === "https:" ? "; secure" : "";
      document.cookie = `theme=${button.value}; path=/; max-age=31536000; samesite=lax${secure}`;
      document.documentElement.dataset.theme = button.value;
      for (const each of document.querySelectorAll("theme-switch button[name=theme]")) {
        each.setAttribute("aria-pressed", String(each.value === button.value));
      }
    });
  }
});
