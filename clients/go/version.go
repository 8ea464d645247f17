package mink

// Version of this client. It stands in the user agent that the server sees.
const clientVersion = "0.1.0"

const userAgent = "mink-client-go/" + clientVersion
