import dev.mink.client.EventFilter;
import dev.mink.client.Expected;
import dev.mink.client.LoadedStream;
import dev.mink.client.Mink;
import dev.mink.client.NewEvent;
import dev.mink.client.RecordedEvent;
import dev.mink.client.SnapshotState;
import dev.mink.client.StreamNotFoundException;
import dev.mink.client.SubscribeOptions;
import dev.mink.client.Subscription;
import dev.mink.client.WrongExpectedVersionException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.TreeMap;

/**
 * Bank accounts: an account is a stream, its balance is what its events say. Nobody overdraws one, however many try at the same time.
 * Another program follows all accounts and keeps a table of balances, with its checkpoint, in a file.
 *
 * <pre>
 * example/run deposit ada 100
 * example/run withdraw ada 30
 * example/run balance ada
 * example/run follow balances.txt
 * </pre>
 */
public final class Accounts {
    /** How many events to replay at most, about: then a snapshot is saved. */
    private static final int SNAPSHOT_EVERY = 50;

    private Accounts() {}

    /** What is known of an account at a version. */
    private record Account(long version, long balance) {}

    /**
     * Runs one command.
     *
     * @param args the command and its arguments
     * @throws IOException if the file of balances cannot be read or written
     */
    public static void main(String[] args) throws IOException {
        String command = args.length < 2 ? "" : args[0];
        try (Mink mink = Mink.connect()) {
            switch (command) {
                case "deposit" -> System.out.println(change(mink, args[1], Long.parseLong(args[2])));
                case "withdraw" -> System.out.println(change(mink, args[1], -Long.parseLong(args[2])));
                case "balance" -> System.out.println(load(mink, args[1]).balance());
                case "follow" -> follow(mink, Path.of(args[1]), args.length > 2 && args[2].equals("--once"));
                default -> {
                    System.err.println("usage: deposit|withdraw NAME AMOUNT, balance NAME, follow FILE [--once]");
                    System.exit(2);
                }
            }
        }
    }

    /** Puts money in or takes it out; gives the new balance. */
    private static long change(Mink mink, String name, long amount) {
        while (true) {
            Account account = load(mink, name);
            long balance = account.balance() + amount;
            if (balance < 0) {
                throw new IllegalStateException(name + " has only " + account.balance());
            }
            NewEvent event = NewEvent.json(amount < 0 ? "Withdrawn" : "Deposited", Long.toString(Math.abs(amount)));
            try {
                // Nothing is appended if somebody else was faster: then the decision is made again, on what is true
                // now.
                long version = mink.append(stream(name), Expected.version(account.version()), event)
                        .version();
                if (version % SNAPSHOT_EVERY == 0) {
                    mink.saveSnapshot(stream(name), version, SnapshotState.json(Long.toString(balance)));
                }
                return balance;
            } catch (WrongExpectedVersionException changed) {
                System.err.println(name + " is at version " + changed.actual() + " now; once more");
            }
        }
    }

    private static Account load(Mink mink, String name) {
        LoadedStream loaded;
        try {
            loaded = mink.load(stream(name));
        } catch (StreamNotFoundException nobody) {
            return new Account(0, 0);
        }
        long balance =
                loaded.snapshot().map(state -> Long.parseLong(state.json())).orElse(0L);
        long version = loaded.snapshot().map(state -> state.version()).orElse(0L);
        for (RecordedEvent event : loaded.events()) {
            balance += amount(event);
            version = event.version();
        }
        return new Account(version, balance);
    }

    private static long amount(RecordedEvent event) {
        long amount = Long.parseLong(event.json());
        return event.type().equals("Withdrawn") ? -amount : amount;
    }

    private static String stream(String name) {
        return "Account-" + name;
    }

    /** Keeps a table of all balances; goes on where it was when it was stopped. */
    private static void follow(Mink mink, Path file, boolean once) throws IOException {
        TreeMap<String, Long> balances = new TreeMap<>();
        SubscribeOptions options = SubscribeOptions.fromStart();
        if (Files.exists(file)) {
            String[] checkpoint = Files.readAllLines(file).get(0).split(" ");
            options = SubscribeOptions.after(Long.parseLong(checkpoint[0]), checkpoint[1]);
            Files.readAllLines(file).stream()
                    .skip(1)
                    .map(line -> line.split(" "))
                    .forEach(line -> balances.put(line[0], Long.parseLong(line[1])));
        }
        EventFilter accounts = EventFilter.ALL.categories("Account").types("Deposited", "Withdrawn");
        try (Subscription events = mink.subscribeAll(options.filter(accounts))) {
            while (true) {
                for (RecordedEvent event : events.nextBatch(Duration.ofSeconds(30))) {
                    balances.merge(event.stream().substring("Account-".length()), amount(event), Long::sum);
                }
                save(file, events, balances);
                if (once && events.caughtUp()) {
                    return;
                }
            }
        }
    }

    /** Balances and checkpoint together, or neither: so that no event counts twice. */
    private static void save(Path file, Subscription events, TreeMap<String, Long> balances) throws IOException {
        if (events.logId().isEmpty()) {
            return; // nothing was heard of the server yet
        }
        StringBuilder text = new StringBuilder(events.position() + " " + events.logId() + "\n");
        balances.forEach(
                (name, balance) -> text.append(name).append(' ').append(balance).append('\n'));
        Path next = Files.writeString(Path.of(file + ".next"), text);
        Files.move(next, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    }
}
