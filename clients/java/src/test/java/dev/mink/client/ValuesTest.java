package dev.mink.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Events, expectations, ids and options. */
class ValuesTest {
    @Test
    void idsAreOfVersion7UniqueAndSortAsTheyWereMade() {
        String before = "";
        Set<String> all = new HashSet<>();
        for (int number = 0; number < 100_000; number++) {
            String id = Uuid7.next();
            assertTrue(id.compareTo(before) > 0, before + " before " + id);
            before = id;
            all.add(id);
        }
        assertEquals(100_000, all.size());
        UUID id = UUID.fromString(before);
        assertEquals("7 2 " + before, id.version() + " " + id.variant() + " " + id);
        long milliseconds = id.getMostSignificantBits() >>> 16;
        assertTrue(Math.abs(System.currentTimeMillis() - milliseconds) < 10_000);
    }

    @Test
    void anEventGetsItsIdWhenItIsMadeAndNeverChanges() {
        NewEvent event = NewEvent.json("Placed", "{\"n\":1}");
        assertEquals(7, UUID.fromString(event.id()).version());
        assertNotEquals(event.id(), NewEvent.json("Placed", "{\"n\":1}").id());
        NewEvent more = event.withMetadata("a", "1").withMetadata(Map.of("b", "2", "a", "3"));
        assertEquals(Map.of(), event.metadata());
        assertEquals(Map.of("a", "3", "b", "2"), more.metadata());
        assertEquals(event.id(), more.id());
        UUID id = UUID.randomUUID();
        assertEquals(id.toString(), event.withId(id).id());
        assertEquals(event.withId(id), event.withId(id.toString()));
        assertFalse(event.toString().contains("\"n\""), "a payload is in no log");
        byte[] bytes = {1, 2};
        NewEvent binary = NewEvent.binary("B", bytes);
        bytes[0] = 9;
        assertEquals(1, binary.toMessage(Map.of()).getBinary().byteAt(0));
    }

    @Test
    void halfACharacterIsRefusedInsteadOfWrittenAsAQuestionMark() {
        assertThrows(IllegalArgumentException.class, () -> NewEvent.json("A", "\"\ud800\""));
        assertThrows(IllegalArgumentException.class, () -> NewEvent.json("A", "\"\udc00\ud800\""));
        assertThrows(IllegalArgumentException.class, () -> NewEvent.json("\ud800", "1"));
        assertThrows(
                IllegalArgumentException.class, () -> NewEvent.json("A", "1").withMetadata("a", "\udfff"));
        assertThrows(NullPointerException.class, () -> NewEvent.json("A", null));
        assertEquals(
                "\"\ud83d\ude00\"",
                NewEvent.json("A", "\"\ud83d\ude00\"").toMessage(Map.of()).getJson());
    }

    @Test
    void anExpectationIsAVersionOrAState() {
        assertEquals(Expected.version(7), Expected.version(7));
        assertNotEquals(Expected.version(0), Expected.NO_STREAM);
        assertEquals("7 NO_STREAM", Expected.version(7) + " " + Expected.NO_STREAM);
        assertEquals(7, Expected.version(7).exactVersion().orElseThrow());
        assertTrue(Expected.ANY.exactVersion().isEmpty());
        assertThrows(IllegalArgumentException.class, () -> Expected.version(-1));
    }

    @Test
    void whatAnEventIsIsReadFromItsMessage() {
        var message = dev.mink.client.protos.RecordedEvent.newBuilder()
                .setPosition(9)
                .setVersion(2)
                .setStream("Order-1-a")
                .setType("Placed")
                .setJson("\"ä\"")
                .putMetadata("userId", "7")
                .build();
        RecordedEvent event = new RecordedEvent(message);
        assertEquals("9 2 Order", event.position() + " " + event.version() + " " + event.category());
        assertEquals(4, event.size());
        assertEquals(4, event.data().length);
        assertEquals(Map.of("userId", "7"), event.metadata());
        assertThrows(UnsupportedOperationException.class, () -> event.metadata().put("a", "b"));
        RecordedEvent binary = new RecordedEvent(message.toBuilder()
                .setBinary(com.google.protobuf.ByteString.copyFromUtf8("abc"))
                .build());
        assertEquals(3, binary.size());
        assertThrows(IllegalStateException.class, binary::json);
        assertNotEquals(event, binary);
    }

    @Test
    void optionsThatCannotBeAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new ReadAllOptions(true, 5, 0, 0, EventFilter.ALL));
        assertThrows(IllegalArgumentException.class, () -> new ReadAllOptions(false, 0, 5, 0, EventFilter.ALL));
        assertThrows(IllegalArgumentException.class, () -> SubscribeOptions.fromStart()
                .silenceTimeout(Duration.ZERO));
        assertThrows(IllegalArgumentException.class, () -> Mink.builder().timeout(Duration.ZERO));
        assertEquals(
                new EventFilter(List.of("a"), List.of("b"), List.of("c"), List.of("d", "e")),
                EventFilter.ALL.streams("a").streamPrefixes("b").categories("c").types("d", "e"));
    }

    @Test
    void exceptionsCanBeSerialized() throws Exception {
        var error = new WrongExpectedVersionException(
                "not so", List.of(new WrongExpectedVersionException.Violation("S", Expected.NO_STREAM, 3)));
        var bytes = new ByteArrayOutputStream();
        try (var out = new ObjectOutputStream(bytes)) {
            out.writeObject(error);
        }
        try (var in = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
            var copy = (WrongExpectedVersionException) in.readObject();
            assertEquals(error.violations(), copy.violations());
            assertEquals("WRONG_EXPECTED_VERSION", copy.reason());
        }
    }

    @Test
    void theVersionIsThatOfThePackage() throws Exception {
        String pom = Files.readString(Path.of("pom.xml"));
        assertTrue(pom.contains("<artifactId>mink-client</artifactId>\n    <version>" + Version.TEXT + "</version>"));
    }

    @Test
    void anEmptyIdBecomesOneOfTheClients() {
        NewEvent event = NewEvent.json("A", "1").withId("");
        assertEquals(7, UUID.fromString(event.id()).version());
    }

    @Test
    void whatIsMissingIsNamed() {
        NewEvent event = NewEvent.json("A", "1");
        try (Mink mink = new MinkBuilder(name -> null).address("127.0.0.1:1").build()) {
            assertMissing("expected", () -> mink.append("S", null, event));
            assertMissing("stream", () -> mink.append(null, Expected.ANY, event));
            assertMissing("events", () -> mink.append("S", Expected.ANY, (List<NewEvent>) null));
            assertMissing("events[1]", () -> mink.append("S", Expected.ANY, Arrays.asList(event, null)));
            assertMissing("events[0]", () -> mink.append("S", Expected.ANY, (NewEvent) null));
            assertMissing("events[1]", () -> mink.async().append("S", Expected.ANY, event, null));
            assertMissing("appends[0]", () -> mink.appendMany(Arrays.asList((StreamAppend) null)));
            assertMissing("appends", () -> mink.appendMany(null));
            assertMissing("options", () -> mink.readAll(null));
            assertMissing("options", () -> mink.readStream("S", null));
            assertMissing("options", () -> mink.subscribeAll(null));
            assertMissing("options", () -> mink.async().subscribeAll(null));
            assertMissing("options", () -> mink.listStreams(null));
            assertMissing("expected", () -> mink.deleteStream("S", null));
            assertMissing("state", () -> mink.saveSnapshot("S", 1, null));
            assertMissing("timeout", () -> mink.withTimeout(null));
        }
        assertMissing("categories[0]", () -> EventFilter.ALL.categories((String) null));
        assertMissing("silenceTimeout", () -> SubscribeOptions.fromStart().silenceTimeout(null));
        assertMissing("payload", () -> NewEvent.binary("A", null));
    }

    private static void assertMissing(String name, Executable call) {
        assertEquals(name, assertThrows(NullPointerException.class, call).getMessage());
    }

    @Test
    void aTimeIsAtMostAHundredYearsInNanoseconds() {
        long most = Times.nanos(ChronoUnit.FOREVER.getDuration());
        assertTrue(most > 0 && System.nanoTime() + most > System.nanoTime());
        assertEquals(most, Times.nanos(Duration.ofDays(200_000)));
        assertEquals(1_500_000_000, Times.nanos(Duration.ofMillis(1500)));
        assertEquals(0, Times.nanos(Duration.ofSeconds(Long.MIN_VALUE)));
    }
}
