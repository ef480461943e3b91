// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Caller;
import dev.varve.hv.xenapi.Database;
import dev.varve.hv.xenapi.Dispatcher;
import dev.varve.hv.xenapi.Records;
import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.vdi.ErrorCode;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** What a command works with: calls in the name of its user, and objects by what the user typed. */
record CliSession(
        Dispatcher dispatcher,
        Database database,
        Records records,
        Caller caller,
        String session,
        ClientFiles files) {
    /** How much of a UUID must be typed. */
    private static final int SHORTEST_UUID_PREFIX = 4;

    /** Calls a method of the API. */
    Object call(String method, Object... args) {
        List<Object> params = new ArrayList<>();
        params.add(session);
        params.addAll(List.of(args));
        return dispatcher.call(caller, method, params);
    }

    /** Calls a method whose result is a reference, and gives the UUID of what it refers to. */
    String create(String method, Object... args) {
        return uuid((String) call(method, args));
    }

    /** The UUID of what a reference, which a method has just given, refers to. */
    String uuid(String ref) {
        return database.find(ref).map(ApiObject::uuid).orElseThrow();
    }

    /** The object that the parameters choose: by UUID, the start of one, or name. */
    ApiObject select(CliArgs args, String className, String param) {
        return find(args, className, param)
                .orElseThrow(() -> UsageException.syntax("Required parameter not found: " + param));
    }

    /** The object that the parameters choose, if they choose one. */
    Optional<ApiObject> find(CliArgs args, String className, String param) {
        String type = className.toLowerCase(Locale.ROOT);
        Optional<String> uuid = args.get(param).or(() -> args.get(type + "-uuid"));
        if (uuid.isPresent()) {
            return Optional.of(byUuid(className, uuid.get()));
        }
        return args.get(type)
                .or(() -> args.get(type + "-name-label"))
                .map(name -> byName(className, name));
    }

    /** The objects that the parameters choose: several UUIDs with commas, or one as any. */
    List<ApiObject> selectSeveral(CliArgs args, String className, String param) {
        Optional<String> uuids = args.get(param).filter(text -> text.contains(","));
        return uuids.isEmpty()
                ? List.of(select(args, className, param))
                : Stream.of(uuids.get().split(",", -1))
                        .map(uuid -> byUuid(className, uuid.strip()))
                        .toList();
    }

    /** The object of a UUID, or of the only UUID that starts so. */
    ApiObject byUuid(String className, String uuid) {
        return byUuid(List.of(className), uuid);
    }

    /** The object of one of the classes with a UUID, or with the only UUID that starts so. */
    ApiObject byUuid(List<String> classNames, String uuid) {
        for (String className : classNames) {
            Optional<ApiObject> exact = database.findByUuid(className, uuid);
            if (exact.isPresent()) {
                return exact.get();
            }
        }
        String start = uuid.toLowerCase(Locale.ROOT);
        List<ApiObject> found =
                classNames.stream()
                        .flatMap(className -> database.all(className).stream())
                        .filter(object -> object.uuid().startsWith(start))
                        .toList();
        if (found.size() == 1 && uuid.length() >= SHORTEST_UUID_PREFIX) {
            return found.getFirst();
        }
        if (found.size() > 1 && uuid.length() >= SHORTEST_UUID_PREFIX) {
            throw UsageException.failure(
                    found.size() + " UUIDs start with " + uuid + "; type more of it");
        }
        throw ErrorCode.UUID_INVALID.with(String.join(" or ", classNames), uuid);
    }

    /** The object of a name or a UUID. */
    ApiObject byName(String className, String name) {
        return byName(className, name, _ -> true);
    }

    /** The object of a name or a UUID, among those that fit. */
    ApiObject byName(String className, String name, Predicate<ApiObject> fitting) {
        Optional<ApiObject> exact = database.findByUuid(className, name);
        if (exact.isPresent()) {
            return exact.get();
        }
        ApiClass type = database.schema().require(className);
        List<ApiObject> found =
                type.field("name_label").isEmpty()
                        ? List.of()
                        : database.all(className).stream()
                                .filter(object -> object.text("name_label").equals(name))
                                .filter(fitting)
                                .toList();
        if (found.size() == 1) {
            return found.getFirst();
        }
        throw UsageException.failure(
                found.isEmpty()
                        ? "there is no " + type.cliName() + " named " + name
                        : found.size()
                                + " objects are named "
                                + name
                                + "; choose one by uuid=: "
                                + String.join(", ", found.stream().map(ApiObject::uuid).toList()));
    }

    /** The host that this daemon runs on, or the one that the parameters choose. */
    ApiObject host(CliArgs args) {
        return find(args, "host", "host-uuid").orElseGet(this::thisHost);
    }

    private ApiObject thisHost() {
        return database.get("host", database.get("session", session).text("this_host"));
    }
}
