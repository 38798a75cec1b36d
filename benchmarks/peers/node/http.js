// Node's own `http`: server-sent events, `write` to everybody who is connected.
import { createServer } from "node:http";
import { announce, eventText, publishEvents } from "./publishing.js";

const clients = new Set();

const server = createServer((request, response) => {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  response.write(": welcome\n\n");
  clients.add(response);
  response.on("close", () => clients.delete(response));
});
server.listen({ host: "127.0.0.1", port: 0, backlog: 1024 }, () =>
  announce(server.address().port, {}),
);

publishEvents((number) => {
  const event = `data: ${eventText(number)}\n\n`;
  for (const client of clients) client.write(event);
});
