// The list of measurements (book/_ext/measurements.py): a form, which is of use only with this script,
// hides the rows that lack a word or are not of what the menus say, and tells how many are left.
addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("form.measured-filter");
  if (!(form instanceof HTMLFormElement)) return;
  const status = form.querySelector("[role=status]");
  const sources = [...document.querySelectorAll("details.measured-source")].map((group) => ({
    group: /** @type {HTMLDetailsElement} */ (group),
    count: group.querySelector(".measured-count"),
    rows: [...group.querySelectorAll("tbody tr")].map((node) => {
      const row = /** @type {HTMLTableRowElement} */ (node);
      const { gpu, model, scored } = row.dataset;
      const about = `${group.querySelector("summary")?.textContent} ${row.textContent} ${gpu} ${model}`;
      return { row, text: about.toLowerCase(), is: { gpu, model, scored } };
    }),
  }));
  const choose = () => {
    const asked = new FormData(form);
    /** @param {string} name */
    const of = (name) => String(asked.get(name) ?? "");
    const words = of("words").toLowerCase().split(/\s+/).filter(Boolean);
    const any = [...asked.values()].some((value) => String(value).trim());
    let [left, all] = [0, 0];
    for (const { group, count, rows } of sources) {
      const own = ["", group.dataset.source].includes(of("source"));
      let kept = 0;
      for (const { row, text, is } of rows) {
        const fits =
          own &&
          words.every((word) => text.includes(word)) &&
          Object.entries(is).every(([name, value]) => ["", value].includes(of(name)));
        row.hidden = !fits;
        kept += Number(fits);
      }
      group.hidden = !kept;
      if (any !== form.matches("[data-any]")) group.open = any;
      if (count)
        count.textContent = kept < rows.length ? `${kept} of ${rows.length} rows` : `${kept} rows`;
      left += kept;
      all += rows.length;
    }
    form.toggleAttribute("data-any", any);
    if (status)
      status.textContent = any ? `${left} of ${all} rows.` : `${all} rows, folded by source.`;
  };
  form.addEventListener("input", choose);
  form.addEventListener("reset", () => setTimeout(choose));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  choose();
});
