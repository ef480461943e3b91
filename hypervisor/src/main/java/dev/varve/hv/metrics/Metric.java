// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.metrics;

import java.util.List;

/**
 * Every number that the daemon tells: {@code docs/metrics.md} is made from it.
 *
 * <p><b>Invariants:</b> units are base units and end the name. Labels have few values: UUIDs of
 * disks that are attached and of repositories, classes of the API, lanes, and words of the JVM;
 * never what a user types.
 */
public enum Metric {
    /** Reads of a disk. */
    DISK_READS(
            "varve_disk_read_requests_total",
            Type.COUNTER,
            "requests",
            Labels.DISK,
            "Reads of an attached disk that were done since it was attached"),
    /** Bytes read from a disk. */
    DISK_READ_BYTES(
            "varve_disk_read_bytes_total",
            Type.COUNTER,
            "bytes",
            Labels.DISK,
            "Data read from an attached disk"),
    /** Writes to a disk. */
    DISK_WRITES(
            "varve_disk_write_requests_total",
            Type.COUNTER,
            "requests",
            Labels.DISK,
            "Writes to an attached disk that were done"),
    /** Bytes written to a disk. */
    DISK_WRITE_BYTES(
            "varve_disk_write_bytes_total",
            Type.COUNTER,
            "bytes",
            Labels.DISK,
            "Data written to an attached disk"),
    /** Flushes of a disk. */
    DISK_FLUSHES(
            "varve_disk_flush_requests_total",
            Type.COUNTER,
            "requests",
            Labels.DISK,
            "Flushes of an attached disk that were done"),
    /** Discards on a disk. */
    DISK_DISCARDS(
            "varve_disk_discard_requests_total",
            Type.COUNTER,
            "requests",
            Labels.DISK,
            "Ranges of an attached disk that were given back or made zero"),
    /** Failed requests of a disk. */
    DISK_ERRORS(
            "varve_disk_failed_requests_total",
            Type.COUNTER,
            "requests",
            Labels.DISK,
            "Requests to an attached disk that failed"),
    /** Requests of a disk that are on their way. */
    DISK_IN_FLIGHT(
            "varve_disk_in_flight_requests",
            Type.GAUGE,
            "requests",
            Labels.DISK,
            "Requests to an attached disk that are on their way"),
    /** Whether a repository is attached. */
    SR_ATTACHED(
            "varve_sr_attached",
            Type.GAUGE,
            "",
            Labels.SR,
            "1 when this host has the repository attached, else 0"),
    /** Whether something is wrong with a repository. */
    SR_TROUBLED(
            "varve_sr_troubled",
            Type.GAUGE,
            "",
            Labels.SR,
            "1 when the last work on the repository failed; its other-config:last-error says why"),
    /** The size of a repository. */
    SR_SIZE(
            "varve_sr_size_bytes",
            Type.GAUGE,
            "bytes",
            Labels.SR,
            "Space of the repository in all, when that was looked at last"),
    /** The used space of a repository. */
    SR_USED(
            "varve_sr_used_bytes",
            Type.GAUGE,
            "bytes",
            Labels.SR,
            "Space of the repository that is taken, when that was looked at last"),
    /** The promised space of a repository. */
    SR_VIRTUAL(
            "varve_sr_virtual_bytes",
            Type.GAUGE,
            "bytes",
            Labels.SR,
            "The sum of the sizes of the repository's disks"),
    /** The disks of a repository. */
    SR_DISKS(
            "varve_sr_disks",
            Type.GAUGE,
            "disks",
            Labels.SR,
            "Disks and base copies that are known of the repository"),
    /** The requests that wait for room. */
    SR_WAITING(
            "varve_sr_waiting_requests",
            Type.GAUGE,
            "requests",
            Labels.SR,
            "Writes and flushes of the repository's disks that wait until it has room"),
    /** The requests that ever waited for room. */
    SR_WAITED(
            "varve_sr_waited_requests_total",
            Type.COUNTER,
            "requests",
            Labels.SR,
            "Times that a write or a flush began to wait for room since the repository was"
                    + " attached"),
    /** The merges of a repository. */
    SR_MERGES(
            "varve_sr_merges_total",
            Type.COUNTER,
            "merges",
            Labels.SR,
            "Merges of images that were done since the repository was attached"),
    /** Bytes copied by merges. */
    SR_MERGED_BYTES(
            "varve_sr_merged_bytes_total",
            Type.COUNTER,
            "bytes",
            Labels.SR,
            "Data that merges of images have copied"),
    /** Failed merges. */
    SR_FAILED_MERGES(
            "varve_sr_failed_merges_total",
            Type.COUNTER,
            "merges",
            Labels.SR,
            "Merges of images that have failed; other-config:last-coalesce-error says why"),
    /** Merges that run. */
    SR_RUNNING_MERGES(
            "varve_sr_running_merges",
            Type.GAUGE,
            "merges",
            Labels.SR,
            "Merges of images that run"),
    /** Images removed because nobody needed them. */
    SR_GARBAGE(
            "varve_sr_removed_images_total",
            Type.COUNTER,
            "images",
            Labels.SR,
            "Base copies that were removed because nothing rested on them any more"),
    /** The longest chain of a repository. */
    SR_LONGEST_CHAIN(
            "varve_sr_longest_chain_images",
            Type.GAUGE,
            "images",
            Labels.SR,
            "How many images the longest chain of the repository consists of"),
    /** How long calls take. */
    API_CALLS(
            "varve_api_call_seconds",
            Type.HISTOGRAM,
            "seconds",
            List.of("class", "outcome"),
            "Calls of the API by class of the method and outcome: ok, refused (an error that the"
                    + " API names) or failed (a defect)"),
    /** The sessions. */
    API_SESSIONS("varve_api_sessions", Type.GAUGE, "sessions", Labels.NONE, "Sessions of the API"),
    /** The tasks. */
    API_TASKS("varve_api_tasks", Type.GAUGE, "tasks", Labels.NONE, "Tasks that there are now"),
    /** HTTP connections. */
    HTTP_CONNECTIONS(
            "varve_http_connections",
            Type.GAUGE,
            "connections",
            Labels.NONE,
            "Connections of clients of the API, the one that asks for this included"),
    /** NBD connections. */
    NBD_CONNECTIONS(
            "varve_nbd_connections",
            Type.GAUGE,
            "connections",
            Labels.NONE,
            "Connections of NBD clients, negotiating ones included"),
    /** Memory for metadata of images. */
    METADATA_USED(
            "varve_metadata_used_bytes",
            Type.GAUGE,
            "bytes",
            Labels.NONE,
            "Memory that metadata of images takes"),
    /** The bound on memory for metadata of images. */
    METADATA_LIMIT(
            "varve_metadata_limit_bytes",
            Type.GAUGE,
            "bytes",
            Labels.NONE,
            "Memory that metadata of images may take"),
    /** Turns of a lane. */
    LANE_TURNS(
            "varve_lane_turns_total",
            Type.COUNTER,
            "turns",
            Labels.LANE,
            "How often a lane has looked for work; it stands still while the lane sleeps or is"
                    + " stuck"),
    /** Disks of a lane. */
    LANE_DISKS(
            "varve_lane_disks",
            Type.GAUGE,
            "disks",
            Labels.LANE,
            "Active disks that belong to a lane"),
    /** Memory of the JVM. */
    JVM_MEMORY_USED(
            "varve_jvm_memory_used_bytes",
            Type.GAUGE,
            "bytes",
            Labels.AREA,
            "Memory that the JVM uses: heap, or what is not on it (nonheap)"),
    /** Memory that the JVM has from the system. */
    JVM_MEMORY_COMMITTED(
            "varve_jvm_memory_committed_bytes",
            Type.GAUGE,
            "bytes",
            Labels.AREA,
            "Memory that the JVM has from the system"),
    /** Memory of buffers. */
    JVM_BUFFERS(
            "varve_jvm_buffer_used_bytes",
            Type.GAUGE,
            "bytes",
            List.of("pool"),
            "Memory of buffers of the JVM that are not on its heap"),
    /** Collections of garbage. */
    JVM_COLLECTIONS(
            "varve_jvm_gc_collections_total",
            Type.COUNTER,
            "collections",
            Labels.COLLECTOR,
            "Collections of garbage"),
    /** Time for collections of garbage. */
    JVM_COLLECTION_TIME(
            "varve_jvm_gc_seconds_total",
            Type.COUNTER,
            "seconds",
            Labels.COLLECTOR,
            "Time that collections of garbage took"),
    /** Threads. */
    JVM_THREADS(
            "varve_jvm_threads",
            Type.GAUGE,
            "threads",
            Labels.NONE,
            "Threads of the system, virtual ones not counted"),
    /** The start of the process. */
    PROCESS_START(
            "varve_process_start_time_seconds",
            Type.GAUGE,
            "seconds",
            Labels.NONE,
            "When the daemon's process started, in seconds since 1970-01-01 UTC"),
    /** Processor time. */
    PROCESS_CPU(
            "varve_process_cpu_seconds_total",
            Type.COUNTER,
            "seconds",
            Labels.NONE,
            "Processor time that the daemon has used"),
    /** Open files. */
    PROCESS_FILES(
            "varve_process_open_files",
            Type.GAUGE,
            "files",
            Labels.NONE,
            "Files and sockets that the daemon has open");

    /** What kind of number it is. */
    public enum Type {
        /** Only grows, until the daemon or what is counted starts anew. */
        COUNTER,
        /** Grows and shrinks. */
        GAUGE,
        /** How many values lie below each of some bounds, their number and their sum. */
        HISTOGRAM
    }

    /** Labels that several have. */
    private static final class Labels {
        static final List<String> NONE = List.of();
        static final List<String> DISK = List.of("vdi", "sr");
        static final List<String> SR = List.of("sr", "type");
        static final List<String> LANE = List.of("lane");
        static final List<String> AREA = List.of("area");
        static final List<String> COLLECTOR = List.of("collector");
    }

    private final String fullName;
    private final Type type;
    private final String unit;
    private final List<String> labels;
    private final String help;

    Metric(String fullName, Type type, String unit, List<String> labels, String help) {
        this.fullName = fullName;
        this.type = type;
        this.unit = unit;
        this.labels = labels;
        this.help = help;
    }

    /** The name under which it is told. */
    public String fullName() {
        return fullName;
    }

    /** What kind of number it is. */
    public Type type() {
        return type;
    }

    /** In which unit it is; empty for a truth. */
    public String unit() {
        return unit;
    }

    /** The names of its labels. */
    public List<String> labels() {
        return labels;
    }

    /** What it means. */
    public String help() {
        return help;
    }
}
