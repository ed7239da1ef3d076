import assert from "node:assert/strict";
import { test } from "node:test";
import { measureCluster } from "../../sim/rig/cluster.ts";

test("a tenant whose gangs need whole nodes gets them, while another has more small jobs than fit", async () => {
  const [cells, none] = [
    await measureCluster("hived", "promised-nodes", {}, 2),
    await measureCluster("first-fit", "promised-nodes", {}, 2),
  ];
  assert.equal(cells.finished, cells.jobs);
  assert.ok(cells.lightTenantJct! < none.lightTenantJct! / 2, `${cells.lightTenantJct} s, ${none.lightTenantJct} s`);
  // With one virtual cluster for all there is nothing that is promised to anybody: the mechanism is gone.
  const one = await measureCluster("hived", "promised-nodes", { tenants: 1 }, 2);
  assert.ok(one.lightTenantJct! > cells.lightTenantJct! * 1.3, `${one.lightTenantJct} s`);
});
