// Starts aimock. Arguments: its package's entry, a port, a file of fixtures.
import { pathToFileURL } from "node:url";

const [entry, port, fixtures] = process.argv.slice(2);
const { LLMock } = await import(pathToFileURL(entry));

const mock = new LLMock({ port: Number(port), chunkSize: 8, logLevel: "warn" });
// It has no list of models in Gemini's format, without which no key is accepted.
mock.mount("/v1beta/models", {
  handleRequest: async (request, response, path) => {
    if (request.method !== "GET" || path !== "/") return false;
    const models = [{ name: "models/m", supportedGenerationMethods: ["generateContent"] }];
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ models }));
    return true;
  },
});
mock.loadFixtureFile(fixtures);
await mock.start();
