// Power actions by state.

/** What may be done to a VM in each state. */
export const ACTIONS_IN = Object.freeze({
  running: ["shutdown", "reboot", "suspend", "reset", "stop"],
  shutting_down: ["shutdown", "reboot", "suspend", "reset", "stop"],
  paused: ["resume", "reset", "stop"],
  sleeping: ["resume", "reset", "stop"],
  crashed: ["start", "reset", "stop"],
  off: ["start"],
});
