import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelConfig;
import io.netty.channel.ChannelFuture;
import io.netty.channel.DefaultChannelConfig;
import io.netty.channel.FileRegion;
import io.netty.channel.RecvByteBufAllocator;
import io.netty.channel.nio.AbstractNioByteChannel;
import java.io.IOException;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;

/**
 * A Unix socket as a Netty channel, by the sockets that Java has had since 16.
 *
 * Netty's own need its native library, which Debian does not package. Where it is there use EpollDomainSocketChannel.
 */
public final class UnixChannel extends AbstractNioByteChannel {
  private final ChannelConfig config = new DefaultChannelConfig(this);
  private boolean inputShutdown;

  public UnixChannel() throws IOException {
    super(null, SocketChannel.open(StandardProtocolFamily.UNIX));
  }

  @Override
  protected SocketChannel javaChannel() {
    return (SocketChannel) super.javaChannel();
  }

  @Override
  public ChannelConfig config() {
    return config;
  }

  @Override
  public boolean isActive() {
    return javaChannel().isOpen() && javaChannel().isConnected();
  }

  @Override
  protected boolean doConnect(SocketAddress remote, SocketAddress local) throws IOException {
    boolean connected = javaChannel().connect(remote);
    if (!connected) {
      selectionKey().interestOps(SelectionKey.OP_CONNECT);
    }
    return connected;
  }

  @Override
  protected void doFinishConnect() throws IOException {
    if (!javaChannel().finishConnect()) {
      throw new IOException("the socket is not connected");
    }
  }

  @Override
  protected int doReadBytes(ByteBuf to) throws IOException {
    RecvByteBufAllocator.Handle handle = unsafe().recvBufAllocHandle();
    handle.attemptedBytesRead(to.writableBytes());
    return to.writeBytes(javaChannel(), handle.attemptedBytesRead());
  }

  @Override
  protected int doWriteBytes(ByteBuf from) throws IOException {
    return from.readBytes(javaChannel(), from.readableBytes());
  }

  @Override
  protected long doWriteFileRegion(FileRegion region) throws IOException {
    return region.transferTo(javaChannel(), region.transferred());
  }

  @Override
  protected ChannelFuture shutdownInput() {
    inputShutdown = true;
    try {
      javaChannel().shutdownInput();
      return newSucceededFuture();
    } catch (IOException e) {
      return newFailedFuture(e);
    }
  }

  @Override
  protected boolean isInputShutdown0() {
    return inputShutdown;
  }

  @Override
  protected SocketAddress localAddress0() {
    return address(javaChannel()::getLocalAddress);
  }

  @Override
  protected SocketAddress remoteAddress0() {
    return address(javaChannel()::getRemoteAddress);
  }

  private interface Address {
    SocketAddress get() throws IOException;
  }

  private static SocketAddress address(Address of) {
    try {
      return of.get();
    } catch (IOException e) {
      return null;
    }
  }

  @Override
  protected void doBind(SocketAddress local) {
    throw new UnsupportedOperationException("clients have no address of their own");
  }

  @Override
  protected void doDisconnect() throws Exception {
    doClose();
  }

  @Override
  protected void doClose() throws Exception {
    super.doClose();
    javaChannel().close();
  }
}
