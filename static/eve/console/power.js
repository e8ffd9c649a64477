// Power actions from a console's page: asked about where they cost something, followed to their end, told in words.

import { ask } from "../eve.js";
import { changeState } from "./api.js";
import { carryOut } from "./operation.js";
import { word } from "./words.js";

export class Power {
  /** @type {string} the action that is being done; empty if none is */
  doing = "";

  constructor({ url, name, session, view, watch, dispatch }) {
    Object.assign(this, { url, name, session, view, watch, dispatch });
  }

  async run(action) {
    if (this.doing) return;
    if (action === "reset" || action === "stop") {
      const yes = await ask({
        title: word(`ask-${action}`, { name: this.name }),
        text: word(`ask-${action}-text`),
        verb: word(`ask-${action}-verb`, { name: this.name }),
        keep: word("ask-keep"),
      });
      if (!yes || this.doing) return;
    }
    this.doing = action;
    this.watch.isEager = true;
    this.view.showState(this.session.vmState, action);
    const { ok, detail, isUnknown } = await carryOut(() => changeState(this.url, action));
    this.doing = "";
    this.view.tell(ok ? `done-${action}` : isUnknown ? "failed-unknown" : "failed", {}, detail);
    await this.watch.now();
    this.view.showState(this.session.vmState);
    this.dispatch({ type: "vm", state: this.session.vmState });
  }
}
