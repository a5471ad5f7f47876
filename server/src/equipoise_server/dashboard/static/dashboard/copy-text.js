// <copy-text>: copies the text of the <code> inside it and says so.
customElements.define("copy-text", class extends HTMLElement {
  connectedCallback() {
    const button = this.querySelector("button");
    if (!button || !navigator.clipboard) return;
    button.hidden = false;
    const label = button.querySelector("[data-label]");
    const before = label.textContent;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(this.querySelector("code").textContent.trim());
      label.textContent = "Copied";
      setTimeout(() => { label.textContent = before; }, 2000);
    });
  }
});
