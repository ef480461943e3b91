// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import java.util.List;
import java.util.Locale;

/**
 * A SCSI host of this machine: an adapter, or one port of it, or a driver that stands for one.
 *
 * <p>All of it is read from {@code class/scsi_host/hostN} and the directories of the same name in
 * the classes of its kind:
 *
 * <table>
 * <caption>Attributes that are read</caption>
 * <tr><th>class</th><th>attribute</th><th>for</th></tr>
 * <tr><td>scsi_host</td><td>proc_name, state</td><td>driver, state</td></tr>
 * <tr><td>scsi_host</td><td>model_name, modelname, board_name, version_product</td><td>model; each
 * driver has its own</td></tr>
 * <tr><td>fc_host</td><td>node_name, port_name, port_state, speed, symbolic_name</td><td>Fibre
 * Channel, over Ethernet as well</td></tr>
 * <tr><td>scsi_host</td><td>host_sas_address</td><td>SAS; newer drivers only</td></tr>
 * <tr><td>sas_phy</td><td>sas_address of phy-N:*</td><td>SAS</td></tr>
 * <tr><td>iscsi_host</td><td>(its being there)</td><td>iSCSI</td></tr>
 * </table>
 *
 * <p><b>Threads:</b> any.
 *
 * @param host its number
 * @param kind what is behind it
 * @param driver the name of the driver, such as {@code qla2xxx}; empty when it has none
 * @param model what it is; empty when the driver does not tell
 * @param state as the kernel has it, such as {@code running}
 * @param nodeName the world wide name of the adapter, {@code 0x} and 16 digits; or empty
 * @param portName the world wide name of the port, likewise; the address of a SAS adapter
 * @param portState such as {@code Online}; empty where there are no ports
 * @param speed of the port as the kernel has it; empty when it is not known
 */
public record ScsiAdapter(
        int host,
        Kind kind,
        String driver,
        String model,
        String state,
        String nodeName,
        String portName,
        String portState,
        String speed) {
    /** What is behind a SCSI host. */
    public enum Kind {
        FC,
        SAS,
        ISCSI,
        OTHER
    }

    private static final List<String> OTHERS =
            List.of("ahci", "usb-storage", "uas", "iscsi_tcp", "sbp2");

    private static final List<String> MODEL_ATTRIBUTES =
            List.of("model_name", "modelname", "board_name", "version_product");

    /** The adapters of a host, by number. */
    static List<ScsiAdapter> of(HostRoot root) {
        return root.classOf("scsi_host").children().stream()
                .filter(host -> isHost(host.name()))
                .map(host -> of(root, host))
                .sorted((a, b) -> Integer.compare(a.host, b.host))
                .toList();
    }

    private static boolean isHost(String name) {
        return name.matches("host[0-9]{1,9}");
    }

    private static ScsiAdapter of(HostRoot root, Sysfs host) {
        String name = host.name();
        int number = Integer.parseInt(name.substring("host".length()));
        Sysfs fibre = root.classOf("fc_host").at(name);
        boolean isFibre = fibre.exists();
        return new ScsiAdapter(
                number,
                kind(root, name),
                driver(host),
                model(host),
                host.textOrEmpty("state"),
                fibre.textOrEmpty("node_name"),
                isFibre ? fibre.textOrEmpty("port_name") : sasAddress(root, host, number),
                fibre.textOrEmpty("port_state"),
                fibre.textOrEmpty("speed"));
    }

    private static Kind kind(HostRoot root, String name) {
        if (root.classOf("fc_host").at(name).exists()) {
            return Kind.FC;
        }
        if (root.classOf("sas_host").at(name).exists()) {
            return Kind.SAS;
        }
        return root.classOf("iscsi_host").at(name).exists() ? Kind.ISCSI : Kind.OTHER;
    }

    /** Drivers without a name say so in angle brackets. */
    private static String driver(Sysfs host) {
        String name = host.textOrEmpty("proc_name");
        return name.startsWith("<") || name.equals("(null)") ? "" : name;
    }

    private static String model(Sysfs host) {
        return MODEL_ATTRIBUTES.stream()
                .map(host::textOrEmpty)
                .filter(text -> !text.isEmpty())
                .findFirst()
                .orElse("");
    }

    /**
     * What the driver says of the adapter, or else its first phy: all of them have it as a rule.
     */
    private static String sasAddress(HostRoot root, Sysfs host, int number) {
        String phy = "phy-" + number + ":[0-9]+";
        return host.text("host_sas_address")
                .or(
                        () ->
                                root.classOf("sas_phy").children().stream()
                                        .filter(candidate -> candidate.name().matches(phy))
                                        .flatMap(
                                                candidate -> candidate.text("sas_address").stream())
                                        .findFirst())
                .orElse("");
    }

    /** Who made it, as far as the driver tells; clients tell adapters by it. */
    public String manufacturer() {
        String name = driver.toLowerCase(Locale.ROOT);
        String maker =
                switch (name) {
                    case "qla2xxx", "qla4xxx", "qedf", "qedi" -> "QLogic";
                    case "lpfc" -> "Emulex";
                    case "bfa" -> "Brocade";
                    case "fnic", "snic" -> "Cisco";
                    case "bnx2fc", "bnx2i" -> "Broadcom";
                    case "mptsas", "mptspi", "mptfc", "mpt2sas", "mpt3sas", "megaraid_sas" -> "LSI";
                    case "hpsa", "smartpqi" -> "Microchip";
                    case "aacraid" -> "Adaptec";
                    case "virtio_scsi" -> "virtio";
                    default -> "";
                };
        String text = maker + (maker.isEmpty() || driver.isEmpty() ? "" : " ") + driver;
        return text.isEmpty() ? "unknown" : text;
    }

    /**
     * Whether LUNs behind it are those of a storage network or a controller: not disks of a
     * desktop, not sticks, and not what the initiator of the kernel has logged in to.
     */
    public boolean isHostBusAdapter() {
        boolean otherwise =
                OTHERS.contains(driver)
                        || driver.startsWith("ata_")
                        || driver.startsWith("pata_")
                        || driver.startsWith("sata_");
        return !otherwise;
    }

    /** The name of its directory in sysfs. */
    public String name() {
        return "host" + host;
    }
}
