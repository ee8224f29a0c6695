// Gives the pictures that stand over the panel their alternative text, which the front end leaves out.
// Only pictures without one, only of this cell, and only those that are known by their data.

const TRIES = 10; // to be in the page, each after twice the time

function render({ model, el }) {
  let timer = 0, tries = 0;
  const observer = new MutationObserver(describe);

  function textOf(image) {
    const data = image.src.split(";base64,")[1];
    if (!data) return "";
    const found = model.get("pictures").find(([length, end]) => data.length === length && data.endsWith(end));
    return found ? found[2] : "";
  }

  function describe() {
    const area = el.closest(".jp-Cell-outputArea") || el.closest(".jp-OutputArea");
    for (const image of area ? area.querySelectorAll("img") : []) {
      if (image.getAttribute("alt")) continue;
      const text = textOf(image);
      if (text) image.alt = text;
    }
    return area;
  }

  function begin() {
    const area = describe();
    // A picture that is shown anew is another element.
    if (area) observer.observe(area, { childList: true, subtree: true, attributes: true, attributeFilter: ["src"] });
    else if (++tries < TRIES) timer = setTimeout(begin, 50 * 2 ** tries);
  }

  begin();
  return () => { clearTimeout(timer); observer.disconnect(); };
}

export default { render };
