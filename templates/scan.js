// The search field of a scan's list, and links that open the class they lead to.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const find = document.querySelector("[data-scan-find]");
  const count = document.querySelector("[data-scan-count]");
  const rest = document.querySelector("[data-scan-rest]");
  const rows = all("li[data-search]");
  const filter = () => {
    const words = find.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row) => { row.hidden = !words.every((word) => row.dataset.search.includes(word)); });
    const seen = rows.filter((row) => !row.hidden);
    const hidden = seen.filter((row) => rest && rest.contains(row)).length;
    if (hidden && hidden === seen.length) rest.open = true;
    count.textContent = words.length
      ? `${seen.length - hidden} with something confirmed, ${hidden} with nothing confirmed`
      : `${rows.length} ${rows.length === 1 ? "class" : "classes"} with something selected`;
  };
  if (find) {
    find.addEventListener("input", filter);
    filter();
  }
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target || !target.classList.contains("profile")) return;
    if (find && find.value) { find.value = ""; filter(); }
    for (let up = target.parentElement; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    target.scrollIntoView();
    target.parentElement.querySelector("summary").focus({ preventScroll: true });
  };
  window.addEventListener("hashchange", open);
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a");
    if (link && link.getAttribute("href") === location.hash) setTimeout(open);
  });
  open();
})();
