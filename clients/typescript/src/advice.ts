/**
 * What a person should look at when there is a server, and no connection with it; mostly for TLS.
 *
 * gRPC has no codes for these, only words, which are Node's and OpenSSL's. Nothing but the sentence that is shown depends on finding them.
 */

const SENTENCES: readonly (readonly [RegExp, string])[] = [
  [
    /wrong version number|packet length too long/,
    "the server does not speak TLS: look at its settings and at the port, or turn TLS off here (tls, MINK_TLS)",
  ],
  [/certificate has expired/, "the server's certificate has expired: renew it; or the clock of this machine is wrong"],
  [
    /certificate is not yet valid/,
    "the server's certificate is not valid yet: look at the dates that stand in it, and at the clock of this machine",
  ],
  [
    /does not match certificate's altnames/,
    "the server's certificate is for another name: use one that stands in it, or set tls.serverName",
  ],
  [
    /self-signed certificate|unable to verify|unable to get (local )?issuer/,
    "nobody who is trusted here has signed the server's certificate: look at tls.caFile (MINK_CA_FILE)",
  ],
  [
    /alert (certificate required|unknown ca|bad certificate|certificate expired|handshake failure)/,
    "the server wants a client certificate, and tls.certFile (MINK_CLIENT_CERT_FILE) is missing, expired, or signed by somebody whom it does not trust",
  ],
  [
    /before secure TLS connection was established/,
    "the server hung up while TLS was agreed on: it is no Mink with TLS, or is just stopping: look at the address, and at its log",
  ],
  [
    /Last error: Protocol error/,
    "what answers there does not speak gRPC in clear: it may be the port of Mink's HTTP or metrics, or speak TLS, which tls (MINK_TLS) turns on here",
  ],
  [/Last error: Failed to connect/, "the server hung up at once: if it speaks TLS, turn TLS on here (tls, MINK_TLS)"],
];

/**
 * What gRPC says of a call, in one line and without what tells nothing, and what to look at if that is known.
 *
 * @param details - What gRPC says.
 */
export function advised(details: string): string {
  const text = details
    .replace(/\s+/g, " ")
    .replace(/ \(\d{4}-[\d-]+T[\d:.]+Z\)/, "")
    .replace(/[ .]*Resolution note: ?$/, "")
    .trim();
  const found = SENTENCES.find(([words]) => words.test(text));
  return found === undefined ? text : `${found[1]} (${text})`;
}
