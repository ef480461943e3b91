// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

import static dev.varve.hv.xenapi.schema.ApiTypes.FLOAT;
import static dev.varve.hv.xenapi.schema.ApiTypes.INT;
import static dev.varve.hv.xenapi.schema.ApiTypes.TEXT;
import static dev.varve.hv.xenapi.schema.ApiTypes.TEXTS;
import static dev.varve.hv.xenapi.schema.ApiTypes.oneOf;

import dev.varve.vdi.ErrorCode;

import java.util.List;

/** How clients learn that something changed. Events are told and not kept, so they are no class. */
final class EventMethods {
    private static final String CLASSES =
            "names of classes in any case, CLASS/REF for one object, or * for all";

    private static final ApiType EVENT =
            new ApiType.Struct(
                    "event",
                    List.of(
                            member("id", INT, "the number of the change"),
                            member("timestamp", TEXT, "when it was told, in seconds since 1970"),
                            member("class", TEXT, "the class in small letters"),
                            member(
                                    "operation",
                                    oneOf("event_operation", "add", "del", "mod"),
                                    "what happened"),
                            member("ref", TEXT, "the object"),
                            member("obj_uuid", TEXT, "its UUID"),
                            member(
                                    "snapshot",
                                    new ApiType.AnyRecord(),
                                    "its fields now, unless it is gone")));

    private static final ApiType BATCH =
            new ApiType.Struct(
                    "event_batch",
                    List.of(
                            member("token", TEXT, "to ask for what comes next"),
                            member(
                                    "valid_ref_counts",
                                    new ApiType.MapOf(TEXT, new ApiType.Count()),
                                    "how many objects of the classes there are"),
                            member("events", new ApiType.SetOf(EVENT), "what happened")));

    static final List<ApiMethod> ALL =
            List.of(
                    ApiMethod.of("event", "from", "Waits for changes after those of a token.")
                            .param("classes", TEXTS, CLASSES)
                            .param("token", TEXT, "the last one that was given; empty for all")
                            .param("timeout", FLOAT, "how long to wait, in seconds")
                            .returns(BATCH)
                            .raises(
                                    ErrorCode.EVENT_FROM_TOKEN_PARSE_FAILURE,
                                    ErrorCode.EVENT_SUBSCRIPTION_PARSE_FAILURE,
                                    ErrorCode.EVENTS_LOST),
                    ApiMethod.of("event", "register", "Has the session told of changes.")
                            .param("classes", TEXTS, CLASSES),
                    ApiMethod.of("event", "unregister", "Has the session told no longer.")
                            .param("classes", TEXTS, CLASSES)
                            .raises(ErrorCode.SESSION_NOT_REGISTERED),
                    ApiMethod.of("event", "next", "Waits for changes that the session is told of.")
                            .returns(new ApiType.SetOf(EVENT))
                            .raises(ErrorCode.SESSION_NOT_REGISTERED, ErrorCode.EVENTS_LOST),
                    ApiMethod.of("event", "inject", "Has an object told as changed.")
                            .param("class", TEXT, "its class")
                            .param("ref", TEXT, "the object")
                            .returns(TEXT)
                            .raises(ErrorCode.HANDLE_INVALID),
                    ApiMethod.of("event", "get_current_id", "The number of the latest change.")
                            .returns(INT));

    private EventMethods() {}

    private static ApiType.Struct.Member member(String name, ApiType type, String meaning) {
        return new ApiType.Struct.Member(name, type, meaning);
    }
}
