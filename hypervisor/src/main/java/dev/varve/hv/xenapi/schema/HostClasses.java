// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

import static dev.varve.hv.xenapi.schema.ApiField.ro;
import static dev.varve.hv.xenapi.schema.ApiField.rw;
import static dev.varve.hv.xenapi.schema.ApiTypes.BOOL;
import static dev.varve.hv.xenapi.schema.ApiTypes.DATE_TIME;
import static dev.varve.hv.xenapi.schema.ApiTypes.FLOAT;
import static dev.varve.hv.xenapi.schema.ApiTypes.INT;
import static dev.varve.hv.xenapi.schema.ApiTypes.TEXT;
import static dev.varve.hv.xenapi.schema.ApiTypes.TEXTS;
import static dev.varve.hv.xenapi.schema.ApiTypes.TEXT_MAP;
import static dev.varve.hv.xenapi.schema.ApiTypes.oneOf;
import static dev.varve.hv.xenapi.schema.ApiTypes.ref;
import static dev.varve.hv.xenapi.schema.ApiTypes.refs;

import dev.varve.hv.xenapi.schema.ApiClass.Trait;

/**
 * The pool, its hosts and their VMs. What a host of this program does not do keeps the value of an
 * idle host, so that clients find every field that they expect in a record.
 */
final class HostClasses {
    private static final ApiType BLOBS = new ApiType.MapOf(TEXT, ref("blob"));
    private static final ApiType AFTER_STOP = oneOf("on_normal_exit", "destroy", "restart");
    private static final ApiType AFTER_CRASH =
            oneOf(
                    "on_crash_behaviour",
                    "destroy",
                    "coredump_and_destroy",
                    "restart",
                    "coredump_and_restart",
                    "preserve",
                    "rename_restart");

    static final ApiClass POOL = pool();
    static final ApiClass HOST = host();
    static final ApiClass VM = vm();

    private HostClasses() {}

    private static ApiClass pool() {
        ApiClass.Builder b = ApiClass.named("pool", "Hosts that share storage and state.");
        return b.fields(
                        ro("uuid", TEXT, "the unique identifier"),
                        rw("name_label", TEXT, "its name"),
                        rw("name_description", TEXT, "what a person wrote about it"),
                        ro("master", ref("host"), "the host that speaks for the pool"),
                        rw("default_SR", ref("SR"), "where new disks go"),
                        rw("crash_dump_SR", ref("SR"), "where crash dumps go"),
                        rw("suspend_image_SR", ref("SR"), "where memory of suspended VMs goes"),
                        rw("other_config", TEXT_MAP, "additional configuration"),
                        ro("ha_enabled", BOOL, "whether VMs of failed hosts are restarted"),
                        ro("ha_configuration", TEXT_MAP, "the settings of that"),
                        ro("ha_statefiles", TEXTS, "the disks that hosts vote on"),
                        ro("ha_host_failures_to_tolerate", INT, "how many hosts may fail"),
                        ro("ha_plan_exists_for", INT, "how many failed hosts can be made up for"),
                        rw("ha_allow_overcommit", BOOL, "whether more may be promised"),
                        ro("ha_overcommitted", BOOL, "whether more is promised than can be kept"),
                        ro("ha_cluster_stack", TEXT, "what hosts find each other with"),
                        ro("blobs", BLOBS, "binary data kept with it"),
                        rw("tags", TEXTS, "words of the user to find it by"),
                        rw("gui_config", TEXT_MAP, "values of graphical clients"),
                        rw("health_check_config", TEXT_MAP, "settings of the health check"),
                        ro("wlb_url", TEXT, "the server that balances load").hidden(),
                        ro("wlb_username", TEXT, "the user at that server").hidden(),
                        ro("wlb_enabled", BOOL, "whether load is balanced"),
                        ro("wlb_verify_cert", BOOL, "whether that server must prove itself"),
                        ro("vswitch_controller", TEXT, "the controller of virtual switches")
                                .hidden(),
                        ro(
                                "redo_log_enabled",
                                BOOL,
                                "whether changes are logged on shared storage"),
                        ro("redo_log_vdi", ref("VDI"), "the disk of that log"),
                        ro("restrictions", TEXT_MAP, "what the licence does not allow"),
                        ro("metadata_VDIs", refs("VDI"), "disks with metadata of pools").hidden(),
                        ro("allowed_operations", TEXTS, "what may be done now").computed(),
                        ro("current_operations", TEXT_MAP, "what is being done").computed(),
                        rw("guest_agent_config", TEXT_MAP, "settings for agents in guests"),
                        ro("cpu_info", TEXT_MAP, "what processors of the pool have in common"),
                        rw(
                                "policy_no_vendor_device",
                                BOOL,
                                "the start value of VMs for that field"),
                        rw("live_patching_disabled", BOOL, "whether patches wait for a restart"),
                        ro("igmp_snooping_enabled", BOOL, "whether multicast is filtered"),
                        ro("uefi_certificates", TEXT, "keys for secure boot").hidden())
                .listed("uuid", "name-label", "name-description", "master", "default-SR")
                .build();
    }

    private static ApiClass host() {
        ApiClass.Builder b = ApiClass.named("host", "A machine that runs VMs.", Trait.NAMED);
        return b.fields(
                        ro("uuid", TEXT, "the unique identifier"),
                        rw("name_label", TEXT, "its name"),
                        rw("name_description", TEXT, "what a person wrote about it"),
                        ro("allowed_operations", TEXTS, "what may be done now").computed(),
                        ro("current_operations", TEXT_MAP, "what is being done").computed(),
                        ro("enabled", BOOL, "whether VMs may start on it").starting(true),
                        ro("display", oneOf("host_display", "enabled", "disabled"), "the console"),
                        ro("API_version_major", INT, "the version of the API"),
                        ro("API_version_minor", INT, "the version of the API"),
                        ro("API_version_vendor", TEXT, "who made it").named("API-version-vendor"),
                        ro("API_version_vendor_implementation", TEXT_MAP, "more about that")
                                .named("API-version-vendor-implementation"),
                        rw("logging", TEXT_MAP, "where logs go"),
                        rw("suspend_image_sr", ref("SR"), "where memory of suspended VMs goes")
                                .named("suspend-image-sr-uuid"),
                        rw("crash_dump_sr", ref("SR"), "where crash dumps go")
                                .named("crash-dump-sr-uuid"),
                        ro("software_version", TEXT_MAP, "the versions of what runs on it"),
                        ro("capabilities", TEXTS, "what VMs it can run"),
                        rw("other_config", TEXT_MAP, "additional configuration"),
                        ro("cpu_info", TEXT_MAP, "its processors"),
                        ro("cpu_configuration", TEXT_MAP, "how processors are used").hidden(),
                        ro("chipset_info", TEXT_MAP, "its chip set"),
                        ro("hostname", TEXT, "its name in the network"),
                        ro("address", TEXT, "where other machines reach it"),
                        ro("supported_bootloaders", TEXTS, "what boots VMs"),
                        ro("sched_policy", TEXT, "how processors are shared").hidden(),
                        ro("memory_overhead", INT, "the memory that it needs itself, in bytes"),
                        ro("resident_VMs", refs("VM"), "VMs that run on it")
                                .inverse("VM", "resident_on")
                                .hidden(),
                        ro("PIFs", refs("PIF"), "its network interfaces").hidden(),
                        ro("crashdumps", refs("host_crashdump"), "what it left when it crashed")
                                .hidden(),
                        ro("patches", refs("host_patch"), "patches of the old kind").hidden(),
                        ro("updates", refs("pool_update"), "updates that it has"),
                        ro("updates_requiring_reboot", refs("pool_update"), "updates that wait"),
                        ro("PBDs", refs("PBD"), "its repositories").inverse("PBD", "host").hidden(),
                        ro("host_CPUs", refs("host_cpu"), "its processors").hidden(),
                        ro("metrics", ref("host_metrics"), "its counters").hidden(),
                        ro("license_params", TEXT_MAP, "the licence").named("license-params"),
                        ro("ha_statefiles", TEXTS, "the disks that hosts vote on"),
                        ro("ha_network_peers", TEXTS, "the hosts that it sees"),
                        ro("blobs", BLOBS, "binary data kept with it"),
                        rw("tags", TEXTS, "words of the user to find it by"),
                        ro("external_auth_type", TEXT, "the directory service"),
                        ro("external_auth_service_name", TEXT, "the name of that"),
                        ro("external_auth_configuration", TEXT_MAP, "the settings of that"),
                        ro("edition", TEXT, "the edition of the product"),
                        rw("license_server", TEXT_MAP, "where licences come from"),
                        ro("bios_strings", TEXT_MAP, "what the firmware says"),
                        ro("power_on_mode", TEXT, "how it can be switched on"),
                        ro("power_on_config", TEXT_MAP, "the settings of that"),
                        ro("local_cache_sr", ref("SR"), "where local caches are"),
                        ro("PCIs", refs("PCI"), "its PCI devices").hidden(),
                        ro("PGPUs", refs("PGPU"), "its graphics devices").hidden(),
                        ro("PUSBs", refs("PUSB"), "its USB devices").hidden(),
                        ro("ssl_legacy", BOOL, "whether old TLS is accepted"),
                        rw("guest_VCPUs_params", TEXT_MAP, "settings for processors of VMs")
                                .named("guest_VCPUs_params"),
                        ro(
                                "virtual_hardware_platform_versions",
                                new ApiType.SetOf(INT),
                                "the kinds of virtual hardware"),
                        ro("control_domain", ref("VM"), "the VM that stands for the host itself")
                                .named("control-domain-uuid"),
                        ro("features", refs("Feature"), "what is there to be tried out").hidden(),
                        rw("iscsi_iqn", TEXT, "its name towards iSCSI targets").named("iscsi_iqn"),
                        rw("multipathing", BOOL, "whether several paths to storage are used"),
                        ro("uefi_certificates", TEXT, "keys for secure boot").hidden(),
                        ro("certificates", refs("Certificate"), "its certificates").hidden(),
                        ro("editions", TEXTS, "the editions that there are"))
                .listed("uuid", "name-label", "name-description")
                .methods(
                        b.method("get_servertime", "The time of the host, in UTC.")
                                .param("host", ref("host"), "the host")
                                .returns(DATE_TIME),
                        b.method("get_server_certificate", "The certificate of the host, in PEM.")
                                .param("host", ref("host"), "the host")
                                .returns(TEXT))
                .build();
    }

    private static ApiClass vm() {
        ApiClass.Builder b = ApiClass.named("VM", "A virtual machine.", Trait.NAMED);
        return b.fields(
                        ro("uuid", TEXT, "the unique identifier"),
                        rw("name_label", TEXT, "its name"),
                        rw("name_description", TEXT, "what a person wrote about it"),
                        ro("allowed_operations", TEXTS, "what may be done now").computed(),
                        ro("current_operations", TEXT_MAP, "what is being done").computed(),
                        ro("user_version", INT, "a version of the user"),
                        ro("is_a_template", BOOL, "whether it is a pattern for others"),
                        ro("is_default_template", BOOL, "whether it is one of the first patterns"),
                        ro("is_a_snapshot", BOOL, "whether it is a snapshot"),
                        ro("snapshot_of", ref("VM"), "the VM that it is a snapshot of"),
                        ro("snapshots", refs("VM"), "its snapshots").inverse("VM", "snapshot_of"),
                        ro("snapshot_time", DATE_TIME, "when the snapshot was taken"),
                        ro("transportable_snapshot_id", TEXT, "the identifier of such a snapshot"),
                        ro("snapshot_info", TEXT_MAP, "more about the snapshot"),
                        ro("snapshot_metadata", TEXT, "the metadata of then").hidden(),
                        ro("parent", ref("VM"), "the VM that it came from"),
                        ro("children", refs("VM"), "VMs that came from it").inverse("VM", "parent"),
                        ro("is_control_domain", BOOL, "whether it stands for the host itself"),
                        ro(
                                        "power_state",
                                        oneOf(
                                                "vm_power_state",
                                                "Halted",
                                                "Paused",
                                                "Running",
                                                "Suspended"),
                                        "whether it runs")
                                .lowerCase(),
                        ro("suspend_VDI", ref("VDI"), "the disk with its memory"),
                        ro("suspend_SR", ref("SR"), "where its memory goes"),
                        ro("memory_target", INT, "the memory it should have, in bytes"),
                        ro("memory_overhead", INT, "the memory spent on it, in bytes"),
                        ro("memory_static_max", INT, "the limit of memory, in bytes"),
                        ro("memory_static_min", INT, "the limit of memory, in bytes"),
                        ro("memory_dynamic_max", INT, "the limit of memory, in bytes"),
                        ro("memory_dynamic_min", INT, "the limit of memory, in bytes"),
                        ro("VCPUs_params", TEXT_MAP, "settings for its processors"),
                        ro("VCPUs_max", INT, "the limit of processors"),
                        ro("VCPUs_at_startup", INT, "the processors it starts with"),
                        ro("actions_after_shutdown", AFTER_STOP, "what follows a shutdown"),
                        ro("actions_after_reboot", AFTER_STOP, "what follows a reboot"),
                        ro("actions_after_crash", AFTER_CRASH, "what follows a crash"),
                        ro("consoles", refs("console"), "its consoles").named("console-uuids"),
                        ro("VIFs", refs("VIF"), "its network interfaces").hidden(),
                        ro("VBDs", refs("VBD"), "its disks").inverse("VBD", "VM").hidden(),
                        ro("VUSBs", refs("VUSB"), "its USB devices").hidden(),
                        ro("crash_dumps", refs("crashdump"), "what it left when it crashed")
                                .hidden(),
                        ro("VTPMs", refs("VTPM"), "its trusted platform modules").hidden(),
                        ro("PV_bootloader", TEXT, "what boots it").named("PV-bootloader"),
                        ro("PV_kernel", TEXT, "its kernel"),
                        ro("PV_ramdisk", TEXT, "its first file system"),
                        ro("PV_args", TEXT, "the command line of its kernel"),
                        ro("PV_bootloader_args", TEXT, "arguments of what boots it"),
                        ro("PV_legacy_args", TEXT, "arguments of older guests"),
                        ro("HVM_boot_policy", TEXT, "how its firmware boots"),
                        ro("HVM_boot_params", TEXT_MAP, "the settings of that"),
                        ro("HVM_shadow_multiplier", FLOAT, "spare memory for page tables")
                                .starting(1.0),
                        ro("platform", TEXT_MAP, "settings of its hardware"),
                        ro("PCI_bus", TEXT, "PCI devices that it is given").hidden(),
                        rw("other_config", TEXT_MAP, "additional configuration"),
                        ro("domid", INT, "the number of its domain").named("dom-id").starting(-1L),
                        ro("domarch", TEXT, "the processor of its domain").hidden(),
                        ro("recommendations", TEXT, "limits that were recommended"),
                        ro("xenstore_data", TEXT_MAP, "values for xenstore"),
                        ro("ha_always_run", BOOL, "whether it is restarted").hidden(),
                        ro("ha_restart_priority", TEXT, "how hard it is tried to restart it"),
                        ro("blobs", BLOBS, "binary data kept with it"),
                        ro("start_time", DATE_TIME, "when it was started"),
                        ro("install_time", DATE_TIME, "when it was made"),
                        ro("resident_on", ref("host"), "the host that it runs on"),
                        ro("affinity", ref("host"), "the host that it should run on"),
                        ro("scheduled_to_be_resident_on", ref("host"), "the host it moves to")
                                .hidden(),
                        ro("last_boot_CPU_flags", TEXT_MAP, "its processors when it started")
                                .hidden(),
                        ro("last_booted_record", TEXT, "its record when it started").hidden(),
                        ro("metrics", ref("VM_metrics"), "its counters").hidden(),
                        ro("guest_metrics", ref("VM_guest_metrics"), "what its agent tells")
                                .hidden(),
                        ro("protection_policy", ref("VMPP"), "how it is backed up").hidden(),
                        ro("is_snapshot_from_vmpp", BOOL, "whether a schedule took it").hidden(),
                        ro("snapshot_schedule", ref("VMSS"), "when snapshots are taken"),
                        ro("is_vmss_snapshot", BOOL, "whether a schedule took it"),
                        ro("appliance", ref("VM_appliance"), "the group it starts with"),
                        ro("start_delay", INT, "the pause after it, in seconds"),
                        ro("shutdown_delay", INT, "the pause before it, in seconds"),
                        ro("order", INT, "its place among those that start"),
                        ro("VGPUs", refs("VGPU"), "its graphics devices").hidden(),
                        ro("attached_PCIs", refs("PCI"), "PCI devices that it has"),
                        ro("version", INT, "how often it was recovered"),
                        ro("generation_id", TEXT, "tells the guest that time was turned back"),
                        ro("hardware_platform_version", INT, "the kind of virtual hardware"),
                        ro("has_vendor_device", BOOL, "whether it has the device for updates"),
                        ro("requires_reboot", BOOL, "whether a change waits for a restart"),
                        ro("reference_label", TEXT, "the pattern that it was made from"),
                        ro(
                                "domain_type",
                                oneOf(
                                        "domain_type",
                                        "hvm",
                                        "pv",
                                        "pv_in_pvh",
                                        "pvh",
                                        "unspecified"),
                                "how it is virtualised"),
                        ro("NVRAM", TEXT_MAP, "what its firmware remembers"),
                        ro("bios_strings", TEXT_MAP, "what its firmware says"),
                        rw("tags", TEXTS, "words of the user to find it by"))
                .listed("uuid", "name-label", "power-state")
                .build();
    }
}
