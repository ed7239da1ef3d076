// A small network learns where a point lies: inside of a ring or outside.
import { nn, optim, rand, tidy } from "heddle";

const model = new nn.Sequential(new nn.Linear(2, 32), new nn.ReLU(), new nn.Linear(32, 2));
const step = new optim.TrainStep(model, optim.adamW({ lr: 0.01 }), (points, inside) =>
  nn.crossEntropy(model.forward(points), inside),
);

for (let i = 1; i <= 500; i++) {
  tidy(() => {
    const points = rand([256, 2], { seed: i }).mul(2).sub(1);
    const inside = points.square().sum(1).lt(0.5).to("i32");
    const loss = step.step(points, inside);
    if (i % 100 === 0) console.log(`step ${i}, loss ${loss.item().toFixed(3)}`);
  });
}

const points = rand([1000, 2], { seed: 0 }).mul(2).sub(1);
const right = model.forward(points).argmax(1).eq(points.square().sum(1).lt(0.5).to("i32"));
console.log(`${(100 * right.mean().item()).toFixed(0)} % of new points are told right`);
