// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import dev.varve.sr.lvm.meta.LvmId;
import dev.varve.vdi.StorageException;

import java.util.UUID;

/**
 * Answers what other daemons ask of the owner of a group.
 *
 * <p><b>Threads:</b> any.
 */
final class OwnerService {
    private final LvmVolumeStore store;

    OwnerService(LvmVolumeStore store) {
        this.store = store;
    }

    /** Does what is asked for, and answers. */
    byte[] answer(byte[] request) {
        ObjectNode answer;
        try {
            answer = carryOut(OwnerRequests.parse(request));
        } catch (StorageException e) {
            answer = OwnerRequests.error(e);
        } catch (IllegalArgumentException e) {
            answer = OwnerRequests.error(OwnerRequests.notUnderstood("a request", e));
        }
        return OwnerRequests.bytes(answer);
    }

    private ObjectNode carryOut(JsonNode request) {
        ObjectNode answer = OwnerRequests.answer();
        switch (request.path("do").asText()) {
            case "commit" ->
                    store.commitAsOwner(
                            OwnerRequests.changes(request),
                            UUID.fromString(request.path("host").asText()));
            case "grow" ->
                    answer =
                            OwnerRequests.failures(store.growAsOwner(OwnerRequests.sizes(request)));
            case "shrink" ->
                    store.shrinkAsOwner(
                            new LvmId(request.path("volume").asText()),
                            request.path("size").asLong());
            case "reserve" ->
                    answer.put("bytes", store.useReserveAsOwner(request.path("bytes").asLong()));
            case "identity" -> store.setIdentityAsOwner(OwnerRequests.identity(request));
            default ->
                    throw OwnerRequests.notUnderstood(
                            "the request '" + request.path("do").asText() + "'", null);
        }
        return answer;
    }
}
