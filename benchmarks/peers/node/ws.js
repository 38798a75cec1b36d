// The `ws` package: `send` to everybody who is connected.
import { readFileSync } from "node:fs";
import { WebSocketServer } from "ws";
import { announce, eventText, publishEvents } from "./publishing.js";

const { version } = JSON.parse(
  readFileSync(new URL("./node_modules/ws/package.json", import.meta.url), "utf8"),
);

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  backlog: 1024,
  perMessageDeflate: false,
});
server.on("connection", (client) => client.on("error", () => client.terminate()));
server.on("listening", () => announce(server.address().port, { ws: version }));

publishEvents((number) => {
  const text = eventText(number);
  for (const client of server.clients) client.send(text);
});
