// Gives pictures their alternative text, which the front end leaves out; draws nothing.
// Only pictures without one, and only those that are known by their data.

const PAUSE = 100; // milliseconds, from a change of the page to the search for pictures

function initialize({ model }) {
  let timer = 0;

  function textOf(image) {
    const data = image.src.split(";base64,")[1];
    if (!data) return "";
    const found = model.get("pictures").find(([length, end]) => data.length === length && data.endsWith(end));
    return found ? found[2] : "";
  }

  function describe() {
    timer = 0;
    for (const image of document.querySelectorAll("img:not([alt]), img[alt='']")) {
      const text = textOf(image);
      if (text) image.alt = text;
    }
  }

  // A picture that is shown anew is another element.
  const observer = new MutationObserver(() => { timer ||= setTimeout(describe, PAUSE); });
  observer.observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["src"] });
  model.on("change:pictures", describe);
  describe();
  return () => { clearTimeout(timer); observer.disconnect(); model.off("change:pictures", describe); };
}

export default { initialize };
