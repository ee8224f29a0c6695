// How far a run is, and a Stop button that appears when clicks are known to arrive.

const STYLE = `
.coro-stop { --ink: var(--jp-ui-font-color1, #1c2126); --faint: var(--jp-ui-font-color2, #5b646c);
  --lane: var(--jp-layout-color2, #e9ecef); --bar: #0a5c99; --bad: var(--jp-error-color1, #c1121f);
  color: var(--ink); font: 13px/1.4 var(--jp-ui-font-family, system-ui, sans-serif);
  display: flex; flex-wrap: wrap; align-items: center; gap: 4px 12px; padding: 4px 0; }
@media (prefers-color-scheme: dark) { .coro-stop { --ink: var(--jp-ui-font-color1, #e8eaed);
  --faint: var(--jp-ui-font-color2, #a5abb2); --lane: var(--jp-layout-color2, #2b3036); --bar: #4da3e0;
  --bad: var(--jp-error-color1, #ff8a80); } }
.coro-stop .bar { flex: 0 1 180px; height: 8px; border-radius: 4px; background: var(--lane); overflow: hidden; }
.coro-stop .bar div { height: 100%; background: var(--bar); transition: width 0.2s; }
.coro-stop button { font: inherit; color: #fff; background: #b3131d; border: 0; border-radius: 4px; padding: 3px 14px; cursor: pointer; }
.coro-stop button:disabled { opacity: 0.6; cursor: default; }
.coro-stop button:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 2px; }
.coro-stop .hint { color: var(--faint); }
.coro-stop kbd { border: 1px solid var(--faint); border-radius: 3px; padding: 0 4px; font: inherit; font-size: 12px; }
`;

function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "coro-stop";
  const style = document.createElement("style");
  style.textContent = STYLE;
  const bar = document.createElement("div");
  bar.className = "bar";
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-label", "coroutines finished");
  const done = document.createElement("div");
  bar.append(done);
  const words = document.createElement("span");
  const button = document.createElement("button");
  button.type = "button";
  let timer = 0;
  // A message may have gone to the thread that runs the cell, and wait there: say it again, a few times.
  function insist(kind, answered, times) {
    if (times <= 0 || model.get(answered)) return;
    model.send({ kind });
    timer = setTimeout(() => insist(kind, answered, times - 1), 400);
  }
  button.onclick = () => {
    button.disabled = true;
    button.textContent = "stopping …";
    insist("stop", "stopping", 5);
  };
  const hint = document.createElement("span");
  hint.className = "hint";
  const key = document.createElement("kbd");
  key.textContent = "i";
  hint.append("to stop it, interrupt the kernel: ■ in the toolbar, or press ", key, " twice");

  function show() {
    const share = Math.min(Math.max(model.get("share"), 0), 1);
    done.style.width = `${100 * share}%`;
    bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    words.textContent = model.get("words");
    button.hidden = !model.get("heard");
    hint.hidden = model.get("heard");
    if (model.get("stopping")) button.disabled = true;
    button.textContent = button.disabled ? "stopping …" : "Stop";
  }

  root.append(style, bar, button, words, hint);
  el.append(root);
  model.on("change", show);
  show();
  if (model.get("listening")) insist("here", "heard", 5);
  return () => {
    clearTimeout(timer);
    model.off("change", show);
  };
}

export default { render };
