// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.hv.storage.Attachments;
import dev.varve.hv.storage.Healer;
import dev.varve.hv.storage.SrManager;
import dev.varve.hv.storage.StorageEnvironment;
import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Call;
import dev.varve.hv.xenapi.CurrentOperations;
import dev.varve.hv.xenapi.Database;
import dev.varve.hv.xenapi.schema.OpaqueRef;
import dev.varve.sr.spi.SrCapability;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.disk.DiskService;

import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** What all resources work with. */
public record Toolstack(
        StorageEnvironment env, SrManager repositories, Attachments attachments, Healer healer) {
    Database database() {
        return env.database();
    }

    CurrentOperations operations() {
        return env.operations();
    }

    /** The task of a call; one of its own for calls that no task shows. */
    String task(Call call) {
        return OpaqueRef.isNull(call.task()) ? OpaqueRef.of(env.random().uuid()) : call.task();
    }

    /** The repository that a disk is in. */
    ApiObject repositoryOf(ApiObject vdi) {
        return database().get("SR", vdi.text("SR"));
    }

    /**
     * The operations on the disks of a repository.
     *
     * @throws dev.varve.vdi.StorageException SR_NOT_ATTACHED
     */
    DiskService disks(ApiObject sr) {
        return repositories.session(sr.ref()).disks();
    }

    /**
     * Refuses an operation on a disk that is plugged in, or will be.
     *
     * @throws dev.varve.vdi.StorageException VDI_IN_USE
     */
    void refuseInUse(ApiObject vdi, String operation) {
        if (attachments.isInUse(vdi.ref())) {
            throw ErrorCode.VDI_IN_USE.with(vdi.ref(), operation);
        }
    }

    /** What the driver of a repository declares. */
    Set<SrCapability> capabilities(ApiObject sr) {
        return repositories.drivers().require(sr.text("type")).capabilities();
    }

    /**
     * Refuses a call that needs what the driver of its repository does not declare.
     *
     * @throws dev.varve.vdi.StorageException SR_OPERATION_NOT_SUPPORTED
     */
    public void checkCapability(Call call) {
        SrCapability needed = SrCapability.valueOf(call.method().capability().orElseThrow());
        switch (call.method().className()) {
            case "SR" -> {
                boolean known = call.method().params().getFirst().name().equals("sr");
                String type =
                        known ? database().get("SR", call.self()).text("type") : call.text("type");
                Set<SrCapability> declared = repositories.drivers().require(type).capabilities();
                check(declared, needed, known ? call.self() : OpaqueRef.NULL);
            }
            case "VDI" ->
                    repositories(call)
                            .forEach(
                                    sr ->
                                            check(
                                                    capabilities(database().get("SR", sr)),
                                                    needed,
                                                    sr));
            default ->
                    throw new IllegalStateException(
                            call.method().fullName() + " belongs to no repository");
        }
    }

    /** The repositories that a call on disks changes. */
    private Set<String> repositories(Call call) {
        boolean named = call.method().params().stream().anyMatch(p -> p.name().equals("sr"));
        if (named) {
            return Set.of(call.text("sr"));
        }
        return switch (call.args().getFirst()) {
            case String vdi -> Set.of(database().get("VDI", vdi).text("SR"));
            case List<?> _ ->
                    call.set(call.method().params().getFirst().name()).stream()
                            .map(vdi -> database().get("VDI", vdi).text("SR"))
                            .collect(Collectors.toCollection(TreeSet::new));
            default -> Set.of(VdiResource.repository(call.fields("record")));
        };
    }

    private static void check(Set<SrCapability> declared, SrCapability needed, String sr) {
        if (!declared.contains(needed)) {
            throw ErrorCode.SR_OPERATION_NOT_SUPPORTED.with(sr);
        }
    }
}
