// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import dev.varve.hv.nbd.NbdAccess;
import dev.varve.hv.storage.Attachments;
import dev.varve.hv.tls.HostCertificate;
import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Call;
import dev.varve.hv.xenapi.Database;
import dev.varve.hv.xenapi.Sessions;
import dev.varve.vdi.ErrorCode;

import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Under which names disks are served over NBD in the network: {@code /UUID?session_id=SESSION}, so
 * that who asks for a disk shows that he has logged in.
 *
 * <p><b>Threads:</b> any; whether a client may use a disk is told without waiting.
 */
final class NbdNames implements NbdAccess {
    private static final String SESSION = "?session_id=";

    private final Sessions sessions;
    private final Database database;
    private final Attachments attachments;
    private final String pem;
    private final String subject;

    NbdNames(
            Sessions sessions,
            Database database,
            Attachments attachments,
            HostCertificate certificate)
            throws IOException {
        this.sessions = sessions;
        this.database = database;
        this.attachments = attachments;
        this.pem = certificate.pem();
        this.subject = certificate.subject();
    }

    @Override
    public Optional<String> vdi(String requestedName) {
        int question = requestedName.indexOf(SESSION);
        if (!requestedName.startsWith("/") || question < 0) {
            return Optional.empty();
        }
        String session = requestedName.substring(question + SESSION.length());
        return sessions.isOpen(session)
                ? Optional.of(requestedName.substring(1, question))
                : Optional.empty();
    }

    /** Where an attached disk is served with TLS; nowhere when that is off. */
    List<Object> servers(Call call, Optional<InetSocketAddress> listening) {
        ApiObject vdi = database.get("VDI", call.self());
        if (attachments.activeConnection(vdi.ref()).isEmpty()) {
            throw ErrorCode.VDI_NOT_ATTACHED.with(vdi.ref());
        }
        List<Object> servers = new ArrayList<>();
        if (listening.isPresent()) {
            String name = "/" + vdi.uuid() + SESSION + call.session().ref();
            for (String address : addresses(listening.get().getAddress())) {
                servers.add(
                        Map.of(
                                "exportname", name,
                                "address", address,
                                "port", (long) listening.get().getPort(),
                                "cert", pem,
                                "subject", subject));
            }
        }
        return servers;
    }

    /** The addresses that other machines can use; the loopback's when there is no other. */
    private static List<String> addresses(InetAddress bound) {
        if (!bound.isAnyLocalAddress()) {
            return List.of(bound.getHostAddress());
        }
        List<String> found = new ArrayList<>();
        try {
            NetworkInterface.networkInterfaces()
                    .flatMap(NetworkInterface::inetAddresses)
                    .filter(address -> !address.isLoopbackAddress())
                    .filter(address -> !address.isLinkLocalAddress())
                    .filter(address -> !(address instanceof Inet6Address))
                    .forEach(address -> found.add(address.getHostAddress()));
        } catch (SocketException e) {
            throw ErrorCode.INTERNAL_ERROR.with("cannot list the addresses of this host: " + e);
        }
        return found.isEmpty() ? List.of("127.0.0.1") : found;
    }
}
