/** Row by row: what a kernel is without blocks. Each sum of products waits in memory between the pairs of a batch. */
import { primitiveSet } from "../primitive.ts";
import { eachVector, loadColumns, loadElement, rowAt, rowPrimitives, storeColumns } from "../primitive-rows.ts";
import { at } from "../tile-builder.ts";

export default primitiveSet({
  title: "Fine-grained loops",
  rows: [],
  idea: "Every operation goes through its operands a row and a vector at a time: a product is one sum of one vector, each pair of a batch added to memory; a transpose moves element by element.",
  differs: [],
  options: {},
  claim: "baseline",

  create() {
    return {
      ...rowPrimitives,
      brgemm(b, x, y, batch, c, accumulate) {
        for (const [i, ofX] of batch.a.entries()) {
          eachVector(b, c, (row, offset, count) => {
            const to = rowAt(b, c, row);
            const sum = i === 0 && !accumulate ? b.constF(0) : loadColumns(b, to, offset, count);
            const from = b.add(rowAt(b, x, row), ofX);
            const column = b.add(y.base, batch.b[i]!);
            b.for(0, x.columns, 1, (k) => {
              const w = loadColumns(b, b.add(column, b.mul(k, y.rowBytes)), offset, count, y.precision);
              b.fma(sum, loadElement(b, from, k, x.precision), w);
            });
            storeColumns(b, to, offset, sum, count);
          });
        }
      },
      transform(b, x, out) {
        b.for(0, x.rows, 1, (row) => {
          const from = rowAt(b, x, row);
          for (let c = 0; c < x.columns; c++) {
            b.storeLane(at(b.add(out.base, c * out.rowBytes), 0, row, 4), b.broadcastF(at(from, 4 * c)));
          }
        });
      },
    };
  },
});
