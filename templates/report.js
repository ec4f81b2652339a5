"use strict";
// The report is complete without this script; it adds sorting, filtering, switching and copying.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add("js");
  all(".needs-js").forEach((element) => { element.hidden = false; });
  const narrow = window.matchMedia("(max-width: 62rem)").matches;
  if (narrow) all(".contents details").forEach((element) => { element.open = false; });

  // A link into a closed part opens it.
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    if (target) target.scrollIntoView();
  };
  window.addEventListener("hashchange", reveal);
  reveal();

  const toast = document.querySelector(".toast");
  let timer = 0;
  const say = (text) => {
    toast.textContent = text;
    clearTimeout(timer);
    timer = setTimeout(() => { toast.textContent = ""; }, 2500);
  };

  const copyText = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  };
  all("button.copy").forEach((button) => button.addEventListener("click", async () => {
    const address = new URL(location.href);
    address.hash = button.dataset.anchor;
    const done = await copyText(address.href);
    if (done) say("Link copied");
    else { location.hash = button.dataset.anchor; say("Copy the link from the address bar"); }
    button.focus();
  }));

  const theme = document.querySelector(".theme");
  const dark = () => (document.documentElement.dataset.theme ??
    (window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const paint = () => { theme.textContent = dark() ? "Light" : "Dark"; theme.setAttribute("aria-label", `Switch to ${dark() ? "light" : "dark"} colours`); theme.removeAttribute("aria-pressed"); };
  theme.addEventListener("click", () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; paint(); });
  paint();

  const valueOf = (cell) => {
    const text = cell.dataset.value ?? cell.textContent;
    const number = parseFloat(text.replace("\u2212", "-").replace(/[,<>≈]/g, ""));
    return Number.isNaN(number) ? -Infinity : number;
  };
  all("table[data-sortable]").forEach((table) => {
    const body = table.tBodies[0];
    all("th[data-sort]", table).forEach((head) => {
      const column = [...head.parentElement.children].indexOf(head);
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const first = head.dataset.sort === "number" ? "descending" : "ascending";
        const other = first === "descending" ? "ascending" : "descending";
        const order = head.getAttribute("aria-sort") === first ? other : first;
        all("th[aria-sort]", table).forEach((cell) => cell.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const rows = [...body.rows];
        const compare = head.dataset.sort === "number"
          ? (a, b) => valueOf(a.cells[column]) - valueOf(b.cells[column])
          : (a, b) => a.cells[column].textContent.trim().localeCompare(b.cells[column].textContent.trim());
        rows.sort((a, b) => sign * compare(a, b));
        body.append(...rows);
      });
    });
  });

  all("[data-concepts]").forEach((section) => {
    all("fieldset.switch input", section).forEach((input) => input.addEventListener("change", () => {
      section.classList.remove("show-score", "show-importance", "show-responses", "show-all");
      section.classList.add(`show-${input.value}`);
    }));
    const find = section.querySelector("[data-find]");
    const direction = section.querySelector("select[data-direction]");
    const rows = all("tbody tr", section);
    const filter = () => {
      const wanted = find.value.trim().toLowerCase();
      rows.forEach((row) => {
        const named = row.cells[0].textContent.toLowerCase().includes(wanted);
        row.hidden = !(named && (!direction.value || row.dataset.direction === direction.value));
      });
      section.querySelector("[data-count]").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} concepts`;
    };
    find.addEventListener("input", filter);
    direction.addEventListener("change", filter);
  });

  all("[data-layers]").forEach((section) => {
    const choice = section.querySelector("select[data-layer]");
    const show = () => all(".layer-card", section).forEach((card) => {
      card.hidden = Boolean(choice.value) && card.dataset.layer !== choice.value;
    });
    choice.addEventListener("change", show);
    show();
  });
})();
