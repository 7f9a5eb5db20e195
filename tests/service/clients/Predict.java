import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Posts a file with Java's default client, which asks for h2c: of known length, in chunks, and once more. */
public class Predict {
    public static void main(String[] arguments) throws Exception {
        String body = Files.readString(Path.of(arguments[1]));
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        BodyPublisher whole = BodyPublishers.ofString(body);
        BodyPublisher chunks = BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(bytes));
        for (HttpClient client : List.of(HttpClient.newHttpClient(), HttpClient.newHttpClient())) {
            for (BodyPublisher publisher : List.of(chunks, whole)) {
                HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0]))
                        .header("Content-Type", "application/json")
                        .POST(publisher)
                        .build();
                var response = client.send(request, BodyHandlers.ofString());
                System.out.println(response.statusCode() + " " + response.body());
            }
        }
    }
}
