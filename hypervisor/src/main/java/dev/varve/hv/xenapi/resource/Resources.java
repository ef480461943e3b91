// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Handlers;
import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiSchema;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** All resources of the toolstack. */
public final class Resources {
    private final Toolstack stack;
    private final SrResource sr;
    private final VdiResource vdi;
    private final VbdResource vbd;

    /** Resources over the given parts. */
    public Resources(Toolstack stack) {
        this.stack = stack;
        this.sr = new SrResource(stack);
        this.vdi = new VdiResource(stack);
        this.vbd = new VbdResource(stack);
    }

    /** Binds what the schema does not generate. */
    public void bind(Handlers handlers) {
        new HostResource(stack).bind(handlers);
        sr.bind(handlers);
        new PbdResource(stack).bind(handlers);
        vdi.bind(handlers);
        new VdiCopies(stack).bind(handlers);
        new VdiTracking(stack).bind(handlers);
        vbd.bind(handlers);
        new SecretResource(stack).bind(handlers);
        new MessageResource(stack).bind(handlers);
    }

    /** How computed fields are worked out. */
    public Map<String, Function<ApiObject, Object>> computed(ApiSchema schema) {
        Map<String, Function<ApiObject, Object>> computed = new HashMap<>();
        for (ApiClass type : schema.classes()) {
            if (type.field("allowed_operations").isPresent()) {
                computed.put(type + ".allowed_operations", _ -> List.of());
                computed.put(
                        type + ".current_operations",
                        object -> stack.operations().of(object.ref()));
            }
        }
        computed.put("SR.allowed_operations", sr::allowed);
        computed.put("VDI.allowed_operations", vdi::allowed);
        computed.put("VBD.allowed_operations", vbd::allowed);
        computed.put("VBD.attachable", vbd::attachable);
        computed.put("task.allowed_operations", stack.env().tasks()::allowed);
        computed.put("task.status", stack.env().tasks()::status);
        computed.put("task.progress", stack.env().tasks()::progress);
        return computed;
    }
}
