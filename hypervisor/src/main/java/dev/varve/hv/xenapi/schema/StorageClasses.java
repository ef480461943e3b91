// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

import static dev.varve.hv.xenapi.schema.ApiField.constructor;
import static dev.varve.hv.xenapi.schema.ApiField.internal;
import static dev.varve.hv.xenapi.schema.ApiField.ro;
import static dev.varve.hv.xenapi.schema.ApiField.rw;
import static dev.varve.hv.xenapi.schema.ApiTypes.BOOL;
import static dev.varve.hv.xenapi.schema.ApiTypes.DATE_TIME;
import static dev.varve.hv.xenapi.schema.ApiTypes.INT;
import static dev.varve.hv.xenapi.schema.ApiTypes.TEXT;
import static dev.varve.hv.xenapi.schema.ApiTypes.TEXTS;
import static dev.varve.hv.xenapi.schema.ApiTypes.TEXT_MAP;
import static dev.varve.hv.xenapi.schema.ApiTypes.oneOf;
import static dev.varve.hv.xenapi.schema.ApiTypes.ref;
import static dev.varve.hv.xenapi.schema.ApiTypes.refs;

import dev.varve.hv.xenapi.schema.ApiClass.Trait;
import dev.varve.sr.spi.SrCapability;
import dev.varve.vdi.ErrorCode;

import java.util.List;
import java.util.Set;

/** Repositories, their connections to hosts, disks, and the connections of disks to VMs. */
final class StorageClasses {
    private static final ApiType SR_OPERATION =
            oneOf(
                    "storage_operations",
                    "scan",
                    "destroy",
                    "forget",
                    "plug",
                    "unplug",
                    "update",
                    "vdi_create",
                    "vdi_introduce",
                    "vdi_destroy",
                    "vdi_resize",
                    "vdi_clone",
                    "vdi_snapshot",
                    "vdi_mirror",
                    "vdi_enable_cbt",
                    "vdi_disable_cbt",
                    "vdi_data_destroy",
                    "vdi_list_changed_blocks",
                    "vdi_set_on_boot",
                    "vdi_blocked",
                    "vdi_copy",
                    "vdi_force_unlock",
                    "vdi_forget",
                    "vdi_generate_config",
                    "vdi_resize_online",
                    "vdi_update",
                    "vdi_revert",
                    "pbd_create",
                    "pbd_destroy");
    private static final ApiType VDI_OPERATION =
            oneOf(
                    "vdi_operations",
                    "clone",
                    "copy",
                    "resize",
                    "resize_online",
                    "snapshot",
                    "mirror",
                    "destroy",
                    "forget",
                    "update",
                    "force_unlock",
                    "generate_config",
                    "enable_cbt",
                    "disable_cbt",
                    "data_destroy",
                    "list_changed_blocks",
                    "set_on_boot",
                    "blocked",
                    "revert_to",
                    "revert_from");

    /** Two fields have side effects: they are set by calls of their own, and not before. */
    private static final ApiType VDI_RECORD =
            new ApiType.RecordOf("VDI", Set.of("on_boot", "allow_caching"));

    private static final ApiType VBD_OPERATION =
            oneOf(
                    "vbd_operations",
                    "attach",
                    "eject",
                    "insert",
                    "plug",
                    "unplug",
                    "unplug_force",
                    "pause",
                    "unpause");

    private static final String DRIVER_PARAMS = "options for the driver; no driver has any";

    private static final ApiType NBD_SERVER =
            new ApiType.Struct(
                    "vdi_nbd_server_info",
                    List.of(
                            member("exportname", TEXT, "what to ask the server for"),
                            member("address", TEXT, "the server"),
                            member("port", INT, "its port"),
                            member("cert", TEXT, "its certificate, in PEM"),
                            member("subject", TEXT, "the name in the certificate")));

    static final ApiClass SR = sr();
    static final ApiClass PBD = pbd();
    static final ApiClass VDI = vdi();
    static final ApiClass VBD = vbd();
    static final ApiClass SM = sm();

    private StorageClasses() {}

    private static ApiType.Struct.Member member(String name, ApiType type, String meaning) {
        return new ApiType.Struct.Member(name, type, meaning);
    }

    private static ApiType set(ApiType element) {
        return new ApiType.SetOf(element);
    }

    private static ApiType operations(ApiType operation) {
        return new ApiType.MapOf(TEXT, operation);
    }

    private static ApiClass sm() {
        return ApiClass.named("SM", "A driver of storage repositories.", Trait.NAMED)
                .fields(
                        ro("uuid", TEXT, "the unique identifier"),
                        ro("name_label", TEXT, "its name"),
                        ro("name_description", TEXT, "what it is"),
                        ro("type", TEXT, "the type of the repositories that it serves"),
                        ro("vendor", TEXT, "who made it"),
                        ro("copyright", TEXT, "whose it is"),
                        ro("version", TEXT, "its version"),
                        ro("required_api_version", TEXT, "the storage interface that it needs"),
                        ro("configuration", TEXT_MAP, "the keys of device-config that it knows"),
                        ro("capabilities", TEXTS, "what it can do"),
                        ro(
                                "features",
                                new ApiType.MapOf(TEXT, INT),
                                "what it can do, with the version of that"),
                        ro("driver_filename", TEXT, "what carries it out"),
                        ro(
                                "required_cluster_stack",
                                TEXTS,
                                "what hosts must find each other with to use it"),
                        rw("other_config", TEXT_MAP, "additional configuration"))
                .listed("uuid", "type", "name-label", "name-description")
                .build();
    }

    private static ApiClass sr() {
        ApiClass.Builder b = ApiClass.named("SR", "A storage repository.", Trait.NAMED);
        return b.fields(
                        ro("uuid", TEXT, "the unique identifier"),
                        rw("name_label", TEXT, "its name"),
                        rw("name_description", TEXT, "what a person wrote about it"),
                        ro("allowed_operations", set(SR_OPERATION), "what may be done now")
                                .computed(),
                        ro("current_operations", operations(SR_OPERATION), "what is being done")
                                .computed(),
                        ro("VDIs", refs("VDI"), "its disks").inverse("VDI", "SR"),
                        ro("PBDs", refs("PBD"), "its connections to hosts").inverse("PBD", "SR"),
                        ro(
                                "virtual_allocation",
                                INT,
                                "the sum of the sizes of its disks, in bytes"),
                        ro("physical_utilisation", INT, "the space that is taken, in bytes"),
                        ro("physical_size", INT, "the space in all, in bytes"),
                        constructor("type", TEXT, "the driver that serves it"),
                        constructor(
                                "content_type", TEXT, "what it is used for, if that is special"),
                        rw("shared", BOOL, "whether several hosts can use it"),
                        ro("introduced_by", ref("DR_task"), "the recovery that introduced it"),
                        ro("is_tools_sr", BOOL, "whether it holds the guest tools"),
                        rw("other_config", TEXT_MAP, "additional configuration"),
                        rw("sm_config", TEXT_MAP, "values of the storage manager").cliReadOnly(),
                        ro(
                                "blobs",
                                new ApiType.MapOf(TEXT, ref("blob")),
                                "binary data kept with it"),
                        ro("local_cache_enabled", BOOL, "whether it holds local caches"),
                        rw("tags", TEXTS, "words of the user to find it by"),
                        ro("clustered", BOOL, "whether it uses a cluster file system"),
                        internal("medium_outdated", BOOL, "its name is newer than on the medium"),
                        internal("introduced", BOOL, "it was introduced and not attached since"))
                .derived("host", "name-description")
                .listed("uuid", "name-label", "name-description", "host", "type", "content-type")
                .methods(
                        b.method("create", "Makes a repository and plugs it in.")
                                .param("host", ref("host"), "the host that makes it")
                                .param("device_config", TEXT_MAP, "where it is")
                                .param("physical_size", INT, "its size, where that can be chosen")
                                .param("name_label", TEXT, "its name")
                                .param("name_description", TEXT, "what a person wrote about it")
                                .param("type", TEXT, "the driver that serves it")
                                .param("content_type", TEXT, "what it is used for")
                                .param("shared", BOOL, "whether several hosts can use it")
                                .maybe("sm_config", TEXT_MAP, "values of the storage manager")
                                .returns(ref("SR"))
                                .tasked()
                                .raises(ErrorCode.SR_UNKNOWN_DRIVER, ErrorCode.SR_EXISTS),
                        b.method("introduce", "Makes a repository known that is there already.")
                                .param("uuid", TEXT, "its unique identifier")
                                .param("name_label", TEXT, "its name")
                                .param("name_description", TEXT, "what a person wrote about it")
                                .param("type", TEXT, "the driver that serves it")
                                .param("content_type", TEXT, "what it is used for")
                                .param("shared", BOOL, "whether several hosts can use it")
                                .maybe("sm_config", TEXT_MAP, "values of the storage manager")
                                .returns(ref("SR"))
                                .raises(ErrorCode.SR_UNKNOWN_DRIVER, ErrorCode.SR_UUID_EXISTS),
                        b.method("probe", "Tells which repositories are at a place.")
                                .needs(SrCapability.SR_PROBE)
                                .param("host", ref("host"), "the host that looks")
                                .param("device_config", TEXT_MAP, "the place")
                                .param("type", TEXT, "the driver that looks")
                                .maybe("sm_config", TEXT_MAP, "values of the storage manager")
                                .returns(TEXT)
                                .tasked()
                                .raises(ErrorCode.SR_UNKNOWN_DRIVER),
                        b.method("forget", "Drops what is known of it; its data stays.")
                                .param("sr", ref("SR"), "the repository")
                                .raises(ErrorCode.SR_HAS_PBD),
                        b.method("destroy", "Removes it from its medium.")
                                .param("sr", ref("SR"), "the repository")
                                .tasked()
                                .raises(ErrorCode.SR_HAS_PBD, ErrorCode.SR_NOT_EMPTY),
                        b.method("scan", "Finds its disks anew.")
                                .param("sr", ref("SR"), "the repository")
                                .tasked()
                                .raises(ErrorCode.SR_NOT_ATTACHED),
                        b.method("update", "Finds out its sizes anew.")
                                .needs(SrCapability.SR_UPDATE)
                                .param("sr", ref("SR"), "the repository")
                                .raises(ErrorCode.SR_NOT_ATTACHED),
                        b.method("get_paths", "How the paths of this host to its medium do.")
                                .param("sr", ref("SR"), "the repository")
                                .returns(new ApiType.SetOf(TEXT_MAP))
                                .raises(ErrorCode.SR_NOT_ATTACHED),
                        b.method(
                                        "get_handback_problems",
                                        "What would go wrong if it were given back to the"
                                                + " reference stack now.")
                                .param("sr", ref("SR"), "the repository")
                                .returns(TEXTS)
                                .raises(
                                        ErrorCode.SR_NOT_ATTACHED,
                                        ErrorCode.SR_OPERATION_NOT_SUPPORTED),
                        b.method("get_supported_types", "The types that drivers are there for.")
                                .returns(TEXTS))
                .build();
    }

    private static ApiClass pbd() {
        ApiClass.Builder b = ApiClass.named("PBD", "The connection of a repository to a host.");
        return b.fields(
                        ro("uuid", TEXT, "the unique identifier"),
                        constructor("host", ref("host"), "the host")
                                .named("host-uuid")
                                .alsoName("host-name-label"),
                        constructor("SR", ref("SR"), "the repository")
                                .named("sr-uuid")
                                .alsoName("sr-name-label"),
                        constructor("device_config", TEXT_MAP, "where it is"),
                        ro("currently_attached", BOOL, "whether the host uses it now"),
                        rw("other_config", TEXT_MAP, "additional configuration"),
                        internal("wanted", BOOL, "the user wants it plugged in"))
                .derived("host", "uuid")
                .listed("uuid", "host-uuid", "sr-uuid", "device-config", "currently-attached")
                .methods(
                        b.method("create", "Makes a connection, not yet plugged in.")
                                .param("record", new ApiType.RecordOf("PBD"), "its fields")
                                .returns(ref("PBD"))
                                .raises(ErrorCode.PBD_EXISTS),
                        b.method("destroy", "Removes a connection that is not plugged in.")
                                .param("self", ref("PBD"), "the connection")
                                .raises(ErrorCode.OPERATION_NOT_ALLOWED),
                        b.method("plug", "Makes the host use the repository.")
                                .param("self", ref("PBD"), "the connection")
                                .tasked()
                                .raises(ErrorCode.SR_UNAVAILABLE),
                        b.method("unplug", "Makes the host let go of the repository.")
                                .param("self", ref("PBD"), "the connection")
                                .tasked()
                                .raises(ErrorCode.SR_DEVICE_IN_USE),
                        b.method("set_device_config", "Changes where the repository is.")
                                .param("self", ref("PBD"), "the connection")
                                .param("value", TEXT_MAP, "where it is")
                                .raises(ErrorCode.OPERATION_NOT_ALLOWED))
                .build();
    }

    private static ApiClass vdi() {
        ApiClass.Builder b = ApiClass.named("VDI", "A virtual disk image.", Trait.NAMED);
        return b.fields(
                        ro("uuid", TEXT, "the unique identifier"),
                        rw("name_label", TEXT, "its name"),
                        rw("name_description", TEXT, "what a person wrote about it"),
                        ro("is_a_snapshot", BOOL, "whether it is a snapshot"),
                        ro("snapshot_of", ref("VDI"), "the disk that it is a snapshot of"),
                        ro("snapshots", refs("VDI"), "its snapshots").inverse("VDI", "snapshot_of"),
                        ro("snapshot_time", DATE_TIME, "when the snapshot was taken"),
                        ro("allowed_operations", set(VDI_OPERATION), "what may be done now")
                                .computed(),
                        ro("current_operations", operations(VDI_OPERATION), "what is being done")
                                .computed(),
                        constructor("SR", ref("SR"), "the repository that it is in")
                                .named("sr-uuid")
                                .alsoName("sr-name-label"),
                        ro("VBDs", refs("VBD"), "its connections to VMs")
                                .inverse("VBD", "VDI")
                                .named("vbd-uuids"),
                        ro("crash_dumps", refs("crashdump"), "crash dumps in it")
                                .named("crashdump-uuids"),
                        constructor("virtual_size", INT, "how large it looks, in bytes"),
                        ro("physical_utilisation", INT, "the space that it takes, in bytes"),
                        ro("location", TEXT, "where it is in its repository"),
                        constructor(
                                "type",
                                oneOf(
                                        "vdi_type",
                                        "user",
                                        "system",
                                        "ephemeral",
                                        "suspend",
                                        "crashdump",
                                        "ha_statefile",
                                        "metadata",
                                        "redo_log",
                                        "rrd",
                                        "pvs_cache",
                                        "cbt_metadata"),
                                "what it is used for"),
                        constructor("sharable", BOOL, "whether several VMs may write it"),
                        constructor("read_only", BOOL, "whether it may only be read"),
                        ro("storage_lock", BOOL, "whether it is locked on storage"),
                        ro("managed", BOOL, "whether users may use it").starting(true),
                        ro("parent", ref("VDI"), "the node below it"),
                        ro("missing", BOOL, "whether its repository does not have it any more"),
                        ro("is_tools_iso", BOOL, "whether it holds the guest tools"),
                        rw("other_config", TEXT_MAP, "additional configuration"),
                        rw("xenstore_data", TEXT_MAP, "values for xenstore when it is attached")
                                .cliReadOnly(),
                        rw("sm_config", TEXT_MAP, "values of the storage manager").cliReadOnly(),
                        rw(
                                "on_boot",
                                oneOf("on_boot", "persist", "reset"),
                                "what happens to it when its VM boots"),
                        rw("allow_caching", BOOL, "whether a host may cache it"),
                        ro("metadata_latest", BOOL, "whether its metadata is the latest"),
                        ro("metadata_of_pool", ref("pool"), "the pool whose metadata it holds"),
                        rw("tags", TEXTS, "words of the user to find it by"),
                        ro("cbt_enabled", BOOL, "whether changed blocks are noted"))
                .derived("quarantine", "read-only")
                .listed(
                        "uuid",
                        "name-label",
                        "name-description",
                        "sr-uuid",
                        "virtual-size",
                        "sharable",
                        "quarantine",
                        "read-only")
                .methods(
                        b.method("create", "Makes a disk that reads as zero.")
                                .needs(SrCapability.VDI_CREATE)
                                .param("record", VDI_RECORD, "its fields")
                                .returns(ref("VDI"))
                                .tasked()
                                .raises(ErrorCode.SR_NOT_ATTACHED, ErrorCode.VDI_TOO_LARGE),
                        b.method("destroy", "Removes a disk and its data.")
                                .needs(SrCapability.VDI_DELETE)
                                .param("self", ref("VDI"), "the disk")
                                .tasked()
                                .raises(ErrorCode.VDI_IN_USE, ErrorCode.VDI_NOT_MANAGED),
                        b.method("resize", "Makes a disk larger that is not attached.")
                                .needs(SrCapability.VDI_RESIZE)
                                .param("vdi", ref("VDI"), "the disk")
                                .param("size", INT, "its new size in bytes")
                                .tasked()
                                .raises(ErrorCode.VDI_IN_USE, ErrorCode.VDI_TOO_SMALL),
                        b.method("resize_online", "Makes a disk larger, attached or not.")
                                .needs(SrCapability.VDI_RESIZE_ONLINE)
                                .param("vdi", ref("VDI"), "the disk")
                                .param("size", INT, "its new size in bytes")
                                .tasked()
                                .raises(ErrorCode.VDI_TOO_SMALL),
                        b.method("snapshot", "Keeps what a disk holds now, attached or not.")
                                .needs(SrCapability.VDI_SNAPSHOT)
                                .param("vdi", ref("VDI"), "the disk")
                                .maybe("driver_params", TEXT_MAP, DRIVER_PARAMS)
                                .returns(ref("VDI"))
                                .tasked()
                                .raises(ErrorCode.SR_NOT_IMPLEMENTED, ErrorCode.SR_NO_SPACE),
                        b.method("snapshot_group", "Keeps what several disks hold at one instant.")
                                .needs(SrCapability.VDI_SNAPSHOT)
                                .param("vdis", refs("VDI"), "the disks, all in one repository")
                                .maybe("driver_params", TEXT_MAP, DRIVER_PARAMS)
                                .returns(refs("VDI"))
                                .tasked()
                                .raises(
                                        ErrorCode.VALUE_NOT_SUPPORTED,
                                        ErrorCode.SR_NOT_IMPLEMENTED,
                                        ErrorCode.SR_NO_SPACE),
                        b.method("clone", "Makes a disk that shares what another one holds.")
                                .needs(SrCapability.VDI_CLONE)
                                .param("vdi", ref("VDI"), "the disk")
                                .maybe("driver_params", TEXT_MAP, DRIVER_PARAMS)
                                .returns(ref("VDI"))
                                .tasked()
                                .raises(ErrorCode.SR_NOT_IMPLEMENTED, ErrorCode.SR_NO_SPACE),
                        b.method("copy", "Makes a disk of its own of what another one holds.")
                                .needs(SrCapability.VDI_CREATE)
                                .param("vdi", ref("VDI"), "the disk")
                                .param("sr", ref("SR"), "the repository of the copy")
                                .maybe("base_vdi", ref("VDI"), "a disk to copy the difference to")
                                .maybe("into_vdi", ref("VDI"), "a disk to copy into")
                                .returns(ref("VDI"))
                                .tasked()
                                .raises(ErrorCode.VDI_IN_USE, ErrorCode.SR_NO_SPACE),
                        b.method("revert", "Gives a disk what one of its snapshots holds.")
                                .needs(SrCapability.VDI_REVERT)
                                .param("vdi", ref("VDI"), "the disk")
                                .param("snapshot", ref("VDI"), "the snapshot of it")
                                .tasked()
                                .raises(ErrorCode.VDI_IN_USE, ErrorCode.OPERATION_NOT_ALLOWED),
                        b.method("enable_cbt", "Begins to track which blocks of a disk change.")
                                .needs(SrCapability.VDI_CONFIG_CBT)
                                .param("self", ref("VDI"), "the disk")
                                .tasked()
                                .raises(
                                        ErrorCode.OPERATION_NOT_ALLOWED,
                                        ErrorCode.VDI_INCOMPATIBLE_TYPE),
                        b.method("disable_cbt", "Ends that, and forgets what changed.")
                                .needs(SrCapability.VDI_CONFIG_CBT)
                                .param("self", ref("VDI"), "the disk")
                                .tasked()
                                .raises(ErrorCode.VDI_INCOMPATIBLE_TYPE),
                        b.method("data_destroy", "Removes what a snapshot holds, but for its log.")
                                .needs(SrCapability.VDI_CONFIG_CBT)
                                .param("self", ref("VDI"), "the snapshot")
                                .tasked()
                                .raises(
                                        ErrorCode.OPERATION_NOT_ALLOWED,
                                        ErrorCode.VDI_NO_CBT_METADATA,
                                        ErrorCode.VDI_IN_USE),
                        b.method(
                                        "list_changed_blocks",
                                        "Tells by which blocks of 64 KiB a disk differs from an"
                                                + " earlier snapshot: a bitmap in base64, the first"
                                                + " block in the highest bit.")
                                .needs(SrCapability.VDI_CONFIG_CBT)
                                .param("vdi_from", ref("VDI"), "the snapshot")
                                .param("vdi_to", ref("VDI"), "a later snapshot, or the disk")
                                .returns(TEXT)
                                .tasked()
                                .raises(
                                        ErrorCode.VDI_NO_CBT_METADATA,
                                        ErrorCode.CBT_CHANGED_BLOCKS),
                        b.method("forget", "Drops what is known of a disk; its data stays.")
                                .param("vdi", ref("VDI"), "the disk")
                                .raises(ErrorCode.VDI_IN_USE),
                        b.method("get_nbd_info", "Where an attached disk is served over NBD.")
                                .param("self", ref("VDI"), "the disk")
                                .returns(new ApiType.SetOf(NBD_SERVER))
                                .raises(ErrorCode.VDI_NOT_ATTACHED),
                        b.method("update", "Finds out the sizes of a disk anew.")
                                .param("vdi", ref("VDI"), "the disk")
                                .raises(ErrorCode.VDI_MISSING))
                .build();
    }

    private static ApiClass vbd() {
        ApiClass.Builder b = ApiClass.named("VBD", "The connection of a disk to a VM.");
        return b.fields(
                        ro("uuid", TEXT, "the unique identifier"),
                        constructor("VM", ref("VM"), "the VM")
                                .named("vm-uuid")
                                .alsoName("vm-name-label"),
                        constructor("VDI", ref("VDI"), "the disk")
                                .named("vdi-uuid")
                                .alsoName("vdi-name-label"),
                        ro("allowed_operations", set(VBD_OPERATION), "what may be done now")
                                .computed(),
                        ro("current_operations", operations(VBD_OPERATION), "what is being done")
                                .computed(),
                        constructor("empty", BOOL, "whether no disk is in it"),
                        ro("device", TEXT, "the device that the VM sees"),
                        rw("userdevice", TEXT, "the position that the user chose"),
                        rw("bootable", BOOL, "whether the VM can boot from it"),
                        rw("mode", oneOf("vbd_mode", "RW", "RO"), "whether the VM may write it"),
                        rw(
                                "type",
                                oneOf("vbd_type", "Disk", "CD", "Floppy"),
                                "what it looks like to the VM"),
                        rw("unpluggable", BOOL, "whether it can be unplugged while the VM runs")
                                .starting(true),
                        ro("currently_attached", BOOL, "whether the VM uses it now"),
                        ro("attachable", BOOL, "whether it could be plugged in now").computed(),
                        ro("storage_lock", BOOL, "whether it is locked on storage"),
                        ro("status_code", INT, "the outcome of the last attempt to plug it in"),
                        ro("status_detail", TEXT, "the reason of the last failure"),
                        rw("qos_algorithm_type", TEXT, "how its rate is limited")
                                .named("qos_algorithm_type"),
                        rw("qos_algorithm_params", TEXT_MAP, "the limits of its rate")
                                .named("qos_algorithm_params"),
                        ro("qos_supported_algorithms", TEXTS, "how its rate can be limited")
                                .named("qos_supported_algorithms"),
                        rw("other_config", TEXT_MAP, "additional configuration"),
                        ro("runtime_properties", TEXT_MAP, "values of the running device").hidden(),
                        ro("metrics", ref("VBD_metrics"), "its counters").hidden(),
                        internal("wanted", BOOL, "the user wants it plugged in"))
                .listed("uuid", "vm-uuid", "vm-name-label", "vdi-uuid", "empty", "device")
                .methods(
                        b.method("create", "Makes a connection, not yet plugged in.")
                                .param("record", new ApiType.RecordOf("VBD"), "its fields")
                                .returns(ref("VBD"))
                                .raises(ErrorCode.DEVICE_ALREADY_EXISTS, ErrorCode.VDI_NOT_MANAGED),
                        b.method("destroy", "Removes a connection that is not plugged in.")
                                .param("self", ref("VBD"), "the connection")
                                .raises(ErrorCode.OPERATION_NOT_ALLOWED),
                        b.method("plug", "Gives the disk to the running VM.")
                                .param("self", ref("VBD"), "the connection")
                                .tasked()
                                .raises(ErrorCode.DEVICE_ALREADY_ATTACHED, ErrorCode.VDI_IN_USE),
                        b.method("unplug", "Takes the disk from the running VM.")
                                .param("self", ref("VBD"), "the connection")
                                .tasked()
                                .raises(ErrorCode.DEVICE_ALREADY_DETACHED))
                .build();
    }
}
