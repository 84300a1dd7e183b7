"use strict";
(() => {
  const drawings = JSON.parse(document.getElementById("drawings").textContent);
  const crystals = [...document.querySelectorAll(".crystal")];
  const chooser = document.getElementById("chooser");
  let shown = null;

  async function draw(position) {
    const place = crystals[position].querySelector(".drawing");
    if (shown) { shown.remove(); shown = null; }
    document.querySelectorAll(".drawing").forEach((each) => each.replaceChildren());
    for (const part of ["meta", "structure", "info"]) {
      const box = document.createElement("div");
      box.id = `viewer-${part}`;
      box.hidden = part !== "structure";
      place.append(box);
    }
    const config = { meta: "viewer-meta", structure: "viewer-structure", info: "viewer-info" };
    const warnings = new Chemiscope.Warnings();
    const made = await Chemiscope.StructureVisualizer.load(config, drawings[position], warnings);
    if (Number(chooser ? chooser.value : 0) === position) { shown = made; } else { made.remove(); }
  }

  function choose(position) {
    crystals.forEach((crystal, i) => crystal.classList.toggle("chosen", i === position));
    draw(position).catch((error) => {
      const place = crystals[position].querySelector(".drawing");
      place.textContent = `The structure cannot be drawn here (${error.message}); the numbers stand beside it.`;
      place.style.height = "auto";
    });
  }

  if (crystals.length) {
    document.body.classList.add("scripted");
    if (chooser) { chooser.addEventListener("change", () => choose(Number(chooser.value))); }
    choose(0);
  }
})();
