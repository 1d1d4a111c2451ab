// Trains a network that adds binary numbers on a pytrainr server, then adds with it.
//
//   npm install
//   TRAINR_ADDRESS=127.0.0.1:7272 npm start
//
// TRAINR_TOKEN is the token, TRAINR_CACERT the PEM file of the authority that signed the server's certificate;
// without the latter the connection is a plain one, which is only right on one's own machine.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import { randomUUID } from "node:crypto";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const here = dirname(fileURLToPath(import.meta.url));
const protos = process.env.TRAINR_PROTO ?? join(here, "..", "..", "proto");
const { trainr } = grpc.loadPackageDefinition(
  loadSync(["trainr/v1/training.proto", "trainr/v1/prediction.proto"], {
    includeDirs: [protos],
    keepCase: true,
    longs: Number,
    enums: String,
  }),
);

const address = process.env.TRAINR_ADDRESS ?? "127.0.0.1:7272";
const certificate = process.env.TRAINR_CACERT;
const credentials = certificate ? grpc.credentials.createSsl(readFileSync(certificate)) : grpc.credentials.createInsecure();
const metadata = new grpc.Metadata();
if (process.env.TRAINR_TOKEN) metadata.set("authorization", `Bearer ${process.env.TRAINR_TOKEN}`);

const training = new trainr.v1.TrainingService(address, credentials);
const prediction = new trainr.v1.PredictionService(address, credentials);

// Arrays are (samples, time, variables); a flat Float64Array in JavaScript's order, the last index fastest, is row-major.
const BITS = 8;
const bit = (number, time) => (number >> time) & 1; // least significant first

function tensor(dim, value) {
  const data = new Float64Array(dim.reduce((a, b) => a * b));
  let at = 0;
  for (let sample = 0; sample < dim[0]; sample++)
    for (let time = 0; time < dim[1]; time++)
      for (let variable = 0; variable < dim[2]; variable++) data[at++] = value(sample, time, variable);
  return {
    dim,
    element_type: "ELEMENT_TYPE_FLOAT64",
    element_order: "ELEMENT_ORDER_ROW_MAJOR",
    data: Buffer.from(data.buffer),
  };
}

function numbers(tensor) {
  const bytes = Uint8Array.from(tensor.data);
  return new Float64Array(bytes.buffer);
}

const pairs = Array.from({ length: 3000 }, (_, i) => [(i * 37) % 128, (i * 101 + (i >> 7) * 29) % 128]);
const x = tensor([pairs.length, BITS, 2], (sample, time, variable) => bit(pairs[sample][variable], time));
const y = tensor([pairs.length, BITS, 1], (sample, time) => bit(pairs[sample][0] + pairs[sample][1], time));

function train() {
  return new Promise((resolve, reject) => {
    const options = {
      learningrate: 1, hidden_dim: [16], numepochs: 10, network_type: "rnn",
      epoch_function: ["epoch_print", "epoch_annealing"],
    };
    const call = training.Train({ training: { x, y, options, seed: 1 }, request_id: randomUUID() }, metadata);
    let finished;
    call.on("data", (event) => {
      for (const epoch of event.epochs?.epoch ?? []) {
        console.log(`epoch ${epoch.epoch}: mean error ${epoch.mean_error.toFixed(4)}`);
      }
      if (event.finished) finished = event.finished;
    });
    call.on("error", reject);
    call.on("end", () => resolve(finished));
  });
}

function predict(stored_model, x) {
  return new Promise((resolve, reject) => {
    prediction.Predict({ stored_model, x }, metadata, (error, response) => {
      if (error) reject(error);
      else resolve(numbers(response.prediction));
    });
  });
}

const job = await train();
console.log(`${job.name} made ${job.model}`);

const question = [[37, 90], [5, 6], [127, 1], [64, 63]];
const answer = await predict(job.model, tensor([question.length, BITS, 2], (s, t, v) => bit(question[s][v], t)));
// One output variable: (samples, time), column-major or row-major as the server says; here it is row-major.
question.forEach(([a, b], sample) => {
  let sum = 0;
  for (let time = 0; time < BITS; time++) sum += Math.round(answer[sample * BITS + time]) << time;
  console.log(`${a} + ${b} = ${sum}`);
});
training.close();
prediction.close();
