package dev.mink.client.conformance;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;

/** What the runner asks the harness for. */
final class Control {
    private static final Duration LIMIT = Duration.ofSeconds(55);

    private final String url;
    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    Control(String url) {
        this.url = url;
    }

    /** Asks for something, and waits until it is done. */
    Map<String, Object> ask(String path, Map<String, ?> body) throws InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url + "/" + path))
                .timeout(LIMIT)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(Json.write(body)))
                .build();
        try {
            HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            if (answer.statusCode() != 200) {
                throw new CaseException("/" + path + ": " + answer.body());
            }
            return Json.read(answer.body());
        } catch (IOException error) {
            throw new CaseException("/" + path + ": the harness does not answer: " + error);
        }
    }
}
