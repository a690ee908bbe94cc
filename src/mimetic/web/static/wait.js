/* Come back when the audit is done. */

import { ask, wait } from "./ask.js";

for (;;) {
  await wait(1500);
  const state = await ask("/api/audit").catch(() => null);
  if (state && state.findings !== null) {
    window.location.reload();
    break;
  }
}
