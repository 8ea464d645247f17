"""Who the server is, and whom it knows: certificates and tokens from files, read again when the files change."""
