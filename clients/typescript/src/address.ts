/** The address of a server: what gRPC takes, without what it would silently take for something else. */

import { isIPv4, isIPv6 } from "node:net";

import { kindOf } from "./kind-of.js";
import { withoutSecrets } from "./secrets.js";

const LISTS = ["ipv4:", "ipv6:"];
const LARGEST_PORT = 65_535;

/**
 * An address that says host and port. Without a port, gRPC would go to 443.
 *
 * It may have a scheme of gRPC's: `dns:///host:port`, `ipv4:host:port,host:port`, `ipv6:[host]:port`, `unix:/path`.
 *
 * @param server - What was given.
 * @param name - What the caller calls it, for the error.
 * @throws TypeError - It is no text.
 * @throws RangeError - It is no address.
 */
export function checkedAddress(server: unknown, name = "server"): string {
  if (typeof server !== "string") {
    throw new TypeError(`${name}: HOST:PORT (string), not ${kindOf(server)}`);
  }
  // Control characters and spaces of all kinds are in no address.
  const printable = !/[\p{C}\p{Z}]/u.test(server);
  if (!printable || !(server.startsWith("unix:") ? server.length > "unix:".length : namesPort(server))) {
    const shown = server.length <= 300 ? `, not ${JSON.stringify(withoutSecrets(server))}` : "";
    throw new RangeError(`${name}: HOST:PORT, for example localhost:50051${shown}`);
  }
  return server;
}

function namesPort(server: string): boolean {
  const scheme = ["dns:", ...LISTS].find((known) => server.startsWith(known)) ?? "";
  let rest = server.slice(scheme.length);
  if (scheme !== "" && rest.startsWith("/")) {
    rest = rest.slice(rest.lastIndexOf("/") + 1); // behind the authority: dns://8.8.8.8/host:port
  }
  return (LISTS.includes(scheme) ? rest.split(",") : [rest]).every(hasPort);
}

function hasPort(address: string): boolean {
  const colon = address.lastIndexOf(":");
  let host = address.slice(0, Math.max(colon, 0));
  const port = address.slice(colon + 1);
  if (host.startsWith("[")) {
    host = host.endsWith("]") ? host.slice(1, -1) : "";
  } else if (host.includes(":")) {
    return false; // an IPv6 address without brackets, whose last group would pass for a port
  }
  return (
    host !== "" && !/[/[\]]/.test(host) && /^[0-9]+$/.test(port) && Number(port) > 0 && Number(port) <= LARGEST_PORT
  );
}

/** Whether an address certainly does not leave this machine. What is not understood may leave it. */
export function isLoopback(server: string): boolean {
  if (server.startsWith("unix:")) {
    return true;
  }
  for (const scheme of LISTS) {
    if (server.startsWith(scheme)) {
      return server.slice(scheme.length).split(",").every(isLoopbackHost);
    }
  }
  return isLoopbackHost(
    server.startsWith("dns:") ? server.slice(server.lastIndexOf("/") + 1).replace(/^dns:/, "") : server,
  );
}

function isLoopbackHost(address: string): boolean {
  const host = address.startsWith("[") ? address.slice(1).split("]", 1)[0] : address.slice(0, address.lastIndexOf(":"));
  if (host === undefined) {
    return false;
  }
  const isV4Loopback = (ip: string): boolean => isIPv4(ip) && ip.startsWith("127.");
  return host.toLowerCase() === "localhost" || isV4Loopback(host) || (isIPv6(host) && isV6Loopback(host));
}

function isV6Loopback(host: string): boolean {
  // The URL parser writes an address in its shortest form.
  return new URL(`http://[${host}]`).hostname === "[::1]";
}
