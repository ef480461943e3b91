// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.hv.xenapi.schema.ApiMethod;
import dev.varve.vdi.Operation;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A call with arguments that have the types of the schema.
 *
 * @param session of the caller; null for methods without one
 * @param task that shows the call; the reference to nothing when none does
 * @param operation progress and cancellation of the call
 */
public record Call(
        Caller caller,
        ApiObject session,
        ApiMethod method,
        List<Object> args,
        String task,
        Operation operation) {
    /** The value of a parameter. */
    public Object arg(String name) {
        List<ApiMethod.Param> params = method.params();
        for (int i = 0; i < params.size(); i++) {
            if (params.get(i).name().equals(name)) {
                return i < args.size() ? args.get(i) : params.get(i).type().zero();
            }
        }
        throw new IllegalArgumentException(method.fullName() + " has no parameter " + name);
    }

    /** The value of a text or a reference. */
    public String text(String name) {
        return (String) arg(name);
    }

    /** The value of an integer. */
    public long number(String name) {
        return (Long) arg(name);
    }

    /** The value of a truth. */
    public boolean flag(String name) {
        return (Boolean) arg(name);
    }

    /** The value of a map of texts. */
    public Map<String, String> map(String name) {
        Map<String, String> map = new TreeMap<>();
        ((Map<?, ?>) arg(name)).forEach((key, value) -> map.put((String) key, (String) value));
        return map;
    }

    /** The values of a set of texts or references. */
    public List<String> set(String name) {
        return ((List<?>) arg(name)).stream().map(String.class::cast).toList();
    }

    /** The fields of a record. */
    public Map<String, Object> fields(String name) {
        Map<String, Object> map = new TreeMap<>();
        ((Map<?, ?>) arg(name)).forEach((key, value) -> map.put((String) key, value));
        return map;
    }

    /** The first parameter, which is the object of most methods. */
    public String self() {
        return (String) args.getFirst();
    }
}
