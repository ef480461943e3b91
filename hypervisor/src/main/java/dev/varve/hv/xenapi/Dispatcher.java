// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.hv.xenapi.schema.ApiMethod;
import dev.varve.hv.xenapi.schema.ApiSchema;
import dev.varve.hv.xenapi.schema.ApiType;
import dev.varve.hv.xenapi.schema.ApiTypes;
import dev.varve.hv.xenapi.schema.OpaqueRef;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

/**
 * Takes a call apart, checks it against the schema and hands it to what carries it out. The only
 * way to a handler, whatever the protocol.
 *
 * <p><b>Threads:</b> any; a call runs on the thread of its caller.
 */
public final class Dispatcher {
    private static final Logger LOG = LoggerFactory.getLogger(Dispatcher.class);
    private static final String ASYNC = "Async.";

    private final ApiSchema schema;
    private final Values values;
    private final Sessions sessions;
    private final Tasks tasks;
    private final Clock clock;
    private final Consumer<Call> capabilities;
    private final CallListener listener;
    private final Map<String, Handlers.Handler> handlers;
    private final Executor background;

    /**
     * @param background where calls are carried out that nobody waits for
     * @param capabilities refuses a call that needs what the driver of its repository does not
     *     declare
     * @param listener told of every call
     */
    public Dispatcher(
            ApiSchema schema,
            Sessions sessions,
            Tasks tasks,
            Clock clock,
            Executor background,
            Handlers handlers,
            Consumer<Call> capabilities,
            CallListener listener) {
        this.schema = schema;
        this.values = Values.sent(schema);
        this.sessions = sessions;
        this.tasks = tasks;
        this.clock = clock;
        this.background = background;
        this.capabilities = capabilities;
        this.listener = listener;
        this.handlers = handlers.complete();
    }

    /**
     * Carries a call out. With {@code Async.} before its name it is begun, and the result is a
     * task.
     *
     * @param params as they came, the session first
     * @return the result in the type that {@link #resultOf} names
     * @throws StorageException whatever went wrong
     */
    public Object call(Caller caller, String fullName, List<Object> params) {
        boolean async = fullName.startsWith(ASYNC);
        String className = CallListener.UNKNOWN_CLASS;
        CallListener.Outcome outcome = CallListener.Outcome.FAILED;
        long begin = clock.nanoTime();
        try {
            ApiMethod method = method(fullName);
            className = method.className();
            Object result = checked(caller, method, params, async);
            outcome = CallListener.Outcome.OK;
            return result;
        } catch (StorageException e) {
            if (e.code() != ErrorCode.INTERNAL_ERROR) {
                outcome = CallListener.Outcome.REFUSED;
            }
            throw e;
        } catch (RuntimeException e) {
            throw internal(fullName, e);
        } finally {
            listener.called(className, outcome, clock.nanoTime() - begin);
        }
    }

    private ApiMethod method(String fullName) {
        boolean async = fullName.startsWith(ASYNC);
        return schema.method(async ? fullName.substring(ASYNC.length()) : fullName)
                .filter(found -> !async || schema.canBeAsync(found))
                .orElseThrow(() -> ErrorCode.MESSAGE_METHOD_UNKNOWN.with(fullName));
    }

    /** The type of what a call gives. */
    public ApiType resultOf(String fullName) {
        ApiMethod method = method(fullName);
        return fullName.startsWith(ASYNC) ? ApiTypes.ref("task") : method.result();
    }

    /** The names of all methods, in order. */
    public List<String> methods() {
        return List.copyOf(new TreeSet<>(handlers.keySet()));
    }

    private static StorageException internal(String fullName, RuntimeException failure) {
        LOG.error("{} failed", fullName, failure);
        return new StorageException(ErrorCode.INTERNAL_ERROR, List.of(failure.toString()), failure);
    }

    private Object checked(Caller caller, ApiMethod method, List<Object> params, boolean async) {
        int first = method.anonymous() ? 0 : 1;
        int most = method.params().size() + first;
        if (params.size() > most || params.size() < most - method.optional()) {
            throw ErrorCode.MESSAGE_PARAMETER_COUNT_MISMATCH.with(
                    method.fullName(), Integer.toString(most), Integer.toString(params.size()));
        }
        ApiObject session = null;
        if (first == 1) {
            session = sessions.use(params.getFirst() instanceof String ref ? ref : "");
        }
        List<Object> args = new ArrayList<>();
        for (int i = first; i < params.size(); i++) {
            ApiMethod.Param param = method.params().get(i - first);
            args.add(values.coerce(param.type(), params.get(i), param.name()));
        }
        return async ? begin(caller, session, method, args) : run(caller, session, method, args);
    }

    private Object run(Caller caller, ApiObject session, ApiMethod method, List<Object> args) {
        Operation operation = Operation.unbounded(method.fullName(), clock);
        boolean shown = method.longRunning();
        String task = shown ? tasks.begin(operation) : OpaqueRef.NULL;
        try {
            return carryOut(new Call(caller, session, method, args, task, operation));
        } finally {
            if (shown) {
                tasks.end(task);
            }
        }
    }

    private Object carryOut(Call call) {
        if (call.method().capability().isPresent()) {
            capabilities.accept(call);
        }
        return handlers.get(call.method().fullName()).handle(call);
    }

    private String begin(Caller caller, ApiObject session, ApiMethod method, List<Object> args) {
        Operation operation = Operation.unbounded(ASYNC + method.fullName(), clock);
        String task = tasks.beginAsync(operation);
        Call call = new Call(caller, session, method, args, task, operation);
        background.execute(
                () -> {
                    try {
                        Object result = carryOut(call);
                        boolean nothing = method.result() instanceof ApiType.Nothing;
                        tasks.succeed(
                                task, nothing ? "" : XmlText.of(schema, method.result(), result));
                    } catch (StorageException e) {
                        tasks.fail(task, e);
                    } catch (RuntimeException e) {
                        tasks.fail(task, internal(method.fullName(), e));
                    }
                });
        return task;
    }
}
