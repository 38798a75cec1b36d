// Where the server is, as seen from where this page came from.

/** @param {{http: {url: string, served: {port: number, secure: boolean} | null},
 *   websocket: {url: string | null, served: {port: number, path: string, secure: boolean} | null}}} settings
 * @param {{href: string, protocol: string, hostname: string, port: string}} location
 * @returns {{httpUrl: string, websocketUrl: string | null}} */
export function whereIs({ http, websocket }, location) {
  const folder = new URL(".", location.href);
  const httpUrl = new URL(http.url, folder).href.replace(/\/$/, "");
  if (websocket.url) return { httpUrl, websocketUrl: websocket.url };
  if (!websocket.served) return { httpUrl, websocketUrl: null };
  const { port, path, secure } = websocket.served;
  const https = location.protocol === "https:";
  const ownPort = Number(location.port || (https ? 443 : 80));
  if (http.served && http.served.port === ownPort && http.served.secure === https) {
    return { httpUrl, websocketUrl: `${secure ? "wss" : "ws"}://${location.hostname}:${port}${path}` };
  }
  // Something stands in front: the WebSocket is beside the page, as the resources are.
  const beside = new URL(`.${path}`, folder);
  beside.protocol = https ? "wss:" : "ws:";
  return { httpUrl, websocketUrl: beside.href };
}
