// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.hv.xenapi.schema.ApiMethod;
import dev.varve.hv.xenapi.schema.ApiSchema;
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
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Takes a call apart, checks it against the schema and hands it to what carries it out. The only
 * way to a handler, whatever the protocol.
 *
 * <p><b>Threads:</b> any; a call runs on the thread of its caller.
 */
public final class Dispatcher {
    private static final Logger LOG = LoggerFactory.getLogger(Dispatcher.class);

    private final ApiSchema schema;
    private final Values values;
    private final Sessions sessions;
    private final Tasks tasks;
    private final Clock clock;
    private final Consumer<Call> capabilities;
    private final CallListener listener;
    private final Map<String, Handlers.Handler> handlers;

    /**
     * @param capabilities refuses a call that needs what the driver of its repository does not
     *     declare
     * @param listener told of every call
     */
    public Dispatcher(
            ApiSchema schema,
            Sessions sessions,
            Tasks tasks,
            Clock clock,
            Handlers handlers,
            Consumer<Call> capabilities,
            CallListener listener) {
        this.schema = schema;
        this.values = Values.sent(schema);
        this.sessions = sessions;
        this.tasks = tasks;
        this.clock = clock;
        this.capabilities = capabilities;
        this.listener = listener;
        this.handlers = handlers.complete();
    }

    /**
     * Carries a call out.
     *
     * @param params as they came, the session first
     * @return the result in the type that the schema names
     * @throws StorageException whatever went wrong
     */
    public Object call(Caller caller, String fullName, List<Object> params) {
        Optional<ApiMethod> method = schema.method(fullName);
        CallListener.Outcome outcome = CallListener.Outcome.FAILED;
        long begin = clock.nanoTime();
        try {
            Object result =
                    checked(
                            caller,
                            method.orElseThrow(
                                    () -> ErrorCode.MESSAGE_METHOD_UNKNOWN.with(fullName)),
                            params);
            outcome = CallListener.Outcome.OK;
            return result;
        } catch (StorageException e) {
            if (e.code() != ErrorCode.INTERNAL_ERROR) {
                outcome = CallListener.Outcome.REFUSED;
            }
            throw e;
        } catch (RuntimeException e) {
            LOG.error("{} failed", fullName, e);
            throw new StorageException(ErrorCode.INTERNAL_ERROR, List.of(e.toString()), e);
        } finally {
            listener.called(
                    method.map(ApiMethod::className).orElse(CallListener.UNKNOWN_CLASS),
                    outcome,
                    clock.nanoTime() - begin);
        }
    }

    private Object checked(Caller caller, ApiMethod method, List<Object> params) {
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
        return run(caller, session, method, args);
    }

    private Object run(Caller caller, ApiObject session, ApiMethod method, List<Object> args) {
        Operation operation = Operation.unbounded(method.fullName(), clock);
        boolean shown = method.longRunning();
        String task = shown ? tasks.begin(operation) : OpaqueRef.NULL;
        try {
            Call call = new Call(caller, session, method, args, task, operation);
            if (method.capability().isPresent()) {
                capabilities.accept(call);
            }
            return handlers.get(method.fullName()).handle(call);
        } finally {
            if (shown) {
                tasks.end(task);
            }
        }
    }
}
