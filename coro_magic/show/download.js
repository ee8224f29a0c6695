// A button that downloads a file with the browser: asks the kernel for it, and hands it over.
// Names and messages are text, and never markup.

const SLOW = 3000; // ms until it is said that the kernel has no time

const STYLE = `
.coro-download { flex: 1 0 100%; order: 1; margin: 0 2px; font: 13px/1.5 var(--jp-ui-font-family, system-ui, sans-serif);
  color: var(--jp-ui-font-color1, inherit); overflow-wrap: anywhere; }
.coro-download:empty { display: none; }
.coro-download a { color: var(--jp-content-link-color, #0a5c99); text-decoration: underline; }
.coro-download.bad { color: var(--jp-error-color1, #c1121f); }
@media (prefers-color-scheme: dark) { .coro-download a { color: var(--jp-content-link-color, #64b5f6); }
  .coro-download.bad { color: var(--jp-error-color1, #ff8a80); } }
.coro-download-button { width: 8.5em; cursor: pointer; }
.coro-download-button:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 1px; }
.coro-download-button[aria-disabled=true] { opacity: 0.6; cursor: default; }
`;

function render({ model, el }) {
  const own = Math.random().toString(36).slice(2);
  let last = 0, waiting = null, timer = 0, url = "";

  const style = document.createElement("style");
  style.textContent = STYLE;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "jupyter-widgets jupyter-button widget-button coro-download-button";
  button.title = "Download it with the browser";
  const icon = document.createElement("i");
  icon.className = "fa fa-download";
  icon.setAttribute("aria-hidden", "true");
  button.append(icon, "Download");
  // It is there before anything is said in it, so that what is said is read out.
  const said = document.createElement("div");
  said.className = "coro-download";
  said.setAttribute("role", "status");
  said.setAttribute("aria-live", "polite");
  el.append(style, button, said);

  function say(bad, ...parts) {
    said.classList.toggle("bad", bad);
    said.replaceChildren(...parts);
  }

  function done() {
    clearTimeout(timer);
    waiting = null;
    button.removeAttribute("aria-disabled");
  }

  function forget() {
    if (url) URL.revokeObjectURL(url);
    url = "";
  }

  function received(content, buffers) {
    if (!content || waiting === null || content.id !== waiting) return;
    done();
    if (content.kind !== "file" || !buffers?.length) return say(true, content.message || "The kernel sent no file.");
    forget();
    const blob = new Blob([buffers[0]], { type: "application/octet-stream" });
    url = URL.createObjectURL(blob);
    const link = document.createElement("a");
    link.href = url;
    link.download = content.name;
    link.textContent = content.name;
    // A page is not told whether a download began, and some frames allow none: the link stays.
    say(false, `${content.name}, ${blob.size.toLocaleString("en")} bytes, went to the browser's downloads. If it does not come: `, link);
    link.click();
    return undefined;
  }

  button.onclick = () => {
    // Not `disabled`: that takes the keyboard's focus away.
    if (waiting !== null) return;
    waiting = `${own}:${++last}`;
    button.setAttribute("aria-disabled", "true");
    say(false, "One moment …");
    timer = setTimeout(() => say(false, "The kernel is busy, or gone: the file comes when it has time."), SLOW);
    try {
      model.send({ kind: "file", id: waiting });
    } catch {
      done();
      say(true, "There is no kernel to make the file: run the cell again.");
    }
  };
  model.on("msg:custom", received);
  return () => { model.off("msg:custom", received); clearTimeout(timer); forget(); };
}

export default { render };
