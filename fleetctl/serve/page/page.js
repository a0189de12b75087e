// What textual.js (of textual-serve) lacks for fingers: keys, scrolling, a footer that is high
// enough; and why the dashboard ended. It is loaded first, so that it sees the websocket.
"use strict";
(() => {
  const SIZE = "fontsize";
  let socket = null;
  let cells = { width: 80, height: 24 };

  const send = (text) => {
    if (socket && socket.readyState === WebSocket.OPEN) {
      socket.send(JSON.stringify(["stdin", text]));
    }
  };

  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      socket = this;
      this.addEventListener("close", (event) => {
        document.getElementById("said").textContent = event.reason || "The dashboard was left.";
      });
    }

    send(text) {
      const [kind, value] = JSON.parse(text);
      if (kind === "resize") {
        cells = value;
        Object.assign(document.getElementById("terminal").dataset, { columns: value.width, rows: value.height });
      }
      super.send(text);
    }
  };

  const sizes = new URLSearchParams(location.search);
  const kept = localStorage.getItem(SIZE);
  if (kept && !sizes.has(SIZE)) {
    location.replace(`/?${SIZE}=${encodeURIComponent(kept)}`);
    return;
  }

  document.addEventListener("DOMContentLoaded", () => {
    const terminal = document.getElementById("terminal");
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    terminal.dataset.sessionWebsocketUrl = `${scheme}//${location.host}/ws`;
    const click = (id, does) => document.getElementById(id).addEventListener("click", does);

    for (const button of document.querySelectorAll("[data-keys]")) {
      button.addEventListener("click", () => send(button.dataset.keys));
    }
    const letters = (more) => {
      const size = Math.min(40, Math.max(8, Number(terminal.dataset.fontSize) + more));
      localStorage.setItem(SIZE, String(size));
      location.replace(`/?${SIZE}=${size}`);
    };
    click("smaller", () => letters(-2));
    click("larger", () => letters(2));
    click("again", () => location.reload());
    // the keyboard stays with the terminal
    document.getElementById("keys").addEventListener("mousedown", (event) => event.preventDefault());
    click("keyboard", () => terminal.querySelector("textarea")?.focus());

    // below the last row, a finger still hits it (xterm's SGR mouse reports)
    click("reach", (event) => {
      const screen = terminal.querySelector(".xterm-screen") || terminal;
      const wide = screen.clientWidth / cells.width;
      const column = Math.min(cells.width, Math.floor(event.clientX / wide) + 1);
      send(`\x1b[<0;${column};${cells.height}M\x1b[<0;${column};${cells.height}m`);
    });

    // a finger that moves is a wheel that turns
    let at = null;
    terminal.addEventListener("touchstart", (event) => {
      at = event.touches.length === 1 ? event.touches[0].clientY : null;
    }, { passive: true });
    terminal.addEventListener("touchmove", (event) => {
      if (at === null) return;
      const { clientX, clientY, target } = event.touches[0];
      const high = terminal.clientHeight / cells.height;
      for (; Math.abs(at - clientY) >= high; at += at > clientY ? -high : high) {
        const deltaY = (at > clientY ? 1 : -1) * high;
        target.dispatchEvent(new WheelEvent("wheel", { bubbles: true, cancelable: true, clientX, clientY, deltaY }));
      }
      event.preventDefault();
    }, { passive: false });

    // a tablet that slept has lost the connection
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && socket && socket.readyState >= WebSocket.CLOSING) location.reload();
    });
  });
})();
