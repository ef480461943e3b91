// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import com.fasterxml.jackson.databind.JsonNode;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** A client that waits for events of the pool's name, which is the number of the change. */
final class ApiListener implements EventDelays.Listener {
    private static final double WAIT_SECONDS = 30;

    private final ApiClient client;
    private final String session;
    private String token = "";

    /** A listener that knows how things are now. */
    ApiListener(Path socket, String session) throws IOException {
        this.client = new ApiClient(socket);
        this.session = session;
        ask();
    }

    private JsonNode ask() throws IOException {
        JsonNode answer = client.call("event.from", session, List.of("pool"), token, WAIT_SECONDS);
        token = answer.get("token").asText();
        return answer.get("events");
    }

    @Override
    public int await() throws IOException {
        JsonNode events = ask();
        if (events.isEmpty()) {
            throw new IOException("nothing has changed for " + WAIT_SECONDS + " seconds");
        }
        return events.get(events.size() - 1).at("/snapshot/name_label").asInt();
    }

    @Override
    public void close() throws IOException {
        client.close();
    }
}
