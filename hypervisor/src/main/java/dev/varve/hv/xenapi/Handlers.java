// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.hv.xenapi.schema.ApiSchema;

import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;

/** What carries each method out. */
public final class Handlers {
    /** Carries a method out. */
    public interface Handler {
        /** The result, of the type that the schema names. */
        Object handle(Call call);
    }

    /** Carries a method without a result out. */
    public interface VoidHandler {
        /** Does it. */
        void handle(Call call);
    }

    private final ApiSchema schema;
    private final Map<String, Handler> handlers = new HashMap<>();

    /** Handlers for the methods of the schema; none yet. */
    public Handlers(ApiSchema schema) {
        this.schema = schema;
    }

    /** Sets what carries a method out, in place of what did so far. */
    public Handlers bind(String fullName, Handler handler) {
        if (schema.method(fullName).isEmpty()) {
            throw new IllegalArgumentException("the schema has no method " + fullName);
        }
        handlers.put(fullName, handler);
        return this;
    }

    /** Like {@link #bind}, for a method without a result. */
    public Handlers bindVoid(String fullName, VoidHandler handler) {
        return bind(
                fullName,
                call -> {
                    handler.handle(call);
                    return "";
                });
    }

    Map<String, Handler> complete() {
        TreeSet<String> missing = new TreeSet<>();
        schema.methods().forEach(method -> missing.add(method.fullName()));
        missing.removeAll(handlers.keySet());
        if (!missing.isEmpty()) {
            throw new IllegalStateException("nothing carries out " + missing);
        }
        return Map.copyOf(handlers);
    }

    /**
     * The handlers that every program needs: those that follow from the schema, tasks, sessions.
     */
    public static Handlers standard(
            ApiSchema schema,
            Database database,
            Records records,
            Sessions sessions,
            Passwords passwords,
            Tasks tasks) {
        Handlers handlers = new Handlers(schema);
        new GeneratedHandlers(database, records).bindAll(handlers);
        handlers.bind(
                "session.login_with_password",
                call ->
                        sessions.login(
                                call.caller(),
                                call.text("uname"),
                                call.text("pwd"),
                                call.text("originator")));
        handlers.bindVoid("session.logout", call -> sessions.logout(call.session().ref()));
        handlers.bindVoid("session.change_password", call -> changePassword(passwords, call));
        handlers.bind(
                "task.create", call -> tasks.create(call.text("label"), call.text("description")));
        handlers.bindVoid("task.destroy", call -> tasks.destroy(call.self()));
        handlers.bindVoid("task.cancel", call -> tasks.cancel(call.self()));
        return handlers;
    }

    private static void changePassword(Passwords passwords, Call call) {
        if (!call.caller().local()) {
            passwords.check(Passwords.USER, call.text("old_pwd"));
        }
        passwords.set(call.text("new_pwd"));
    }
}
