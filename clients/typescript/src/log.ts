/** What the client says of itself while it works. */

/** Where it says it. `console` fits. */
export interface Logger {
  /** Something that somebody should look at. */
  warn(message: string): void;
  /** Something worth knowing when one looks for something. */
  info(message: string): void;
}

/** Without a logger of the program's own: warnings are warnings of the process, and nothing else is said. */
export const PROCESS_WARNINGS: Logger = {
  warn: (message) => {
    process.emitWarning(message, "MinkWarning");
  },
  info: () => undefined,
};
