#include "tiled.h"
// R's gru (quirks kept), group-batched.  gates z|r|g in columns: Wx[I,3H] Wh[H,3H] Wo[O,H]
static real* alloc(size_t n){ void*p=aligned_alloc(64,((n*sizeof(real)+127)/64)*64); memset(p,0,n*sizeof(real)); return (real*)p; }
extern "C" void gru_train(long T,long I,long H,long O,const real*X,const real*Y,const int*order,const int*gptr,long G,real*Wx_,real*Wh_,real*Wo,real lr,real*err,long dual){
  long mx=0; for(long g=0;g<G;g++)mx=std::max<long>(mx,gptr[g+1]-gptr[g]); const long F=3*H,E=2*H;
  real*Wx=alloc(I*F),*Wa=alloc(H*E),*WaT=alloc(E*H),*Wg=alloc(H*H),*WgT=alloc(H*H),*dWo=alloc(O*H),*wa=alloc(H*E),*wg=alloc(H*H);
  real*Hs=alloc((T+1)*mx*H),*Rh=alloc(T*mx*H),*Ga=alloc(T*mx*F),*Pa=alloc(T*mx*E),*Pg=alloc(T*mx*H),*pa_=alloc(mx*E),*pg_=alloc(mx*H),*gh=alloc(mx*H),*up=alloc(mx*H),*fh=alloc(mx*H);
  real*xs=alloc(T*mx*I),*ys=alloc(T*mx*O),*dy=alloc(T*mx*O),*Po=alloc(T*mx*F),*pa=alloc(192*(H+8)),*pb=alloc(192*(F+32));
  for(long k=0;k<H;k++){ memcpy(wa+k*E,Wh_+k*F,E*sizeof(real)); memcpy(wg+k*H,Wh_+k*F+E,H*sizeof(real)); }
  pack(I,F,Wx_,Wx); pack(H,E,wa,Wa); pack(H,H,wg,Wg); transp(H,E,Wa,WaT); transp(H,H,Wg,WgT);
  for(long g=0;g<G;g++){
    long ns=gptr[g+1]-gptr[g]; const int*idx=order+gptr[g]; long K=T*ns;
    for(long t=0;t<T;t++)for(long s=0;s<ns;s++)for(long i=0;i<I;i++)xs[(t*ns+s)*I+i]=X[(idx[s]*T+t)*I+i];
    real*H1=Hs+ns*H; memset(Hs,0,ns*H*sizeof(real));
    gemm(K,F,I,xs,I,1,Wx,1,0,Ga,0,F,0,0);
    for(long t=0;t<T;t++){ real*ga=Ga+t*ns*F; real*h=H1+t*ns*H; const real*hp=h-ns*H; real*rh=Rh+t*ns*H;
      if(t) gemm(ns,E,H,hp,H,1,Wa,1,0,ga,0,F,0,1);
      for(long s=0;s<ns;s++){ real*__restrict q=ga+s*F; sigm(E,q); const real*__restrict p=hp+s*H; real*__restrict o=rh+s*H; for(long k=0;k<H;k++)o[k]=p[k]*q[H+k]; }
      if(t) gemm(ns,H,H,rh,H,1,Wg,1,0,ga+E,0,F,0,1);
      for(long s=0;s<ns;s++){ real*__restrict q=ga+s*F; const real*__restrict p=hp+s*H; real*__restrict o=h+s*H;
        for(long k=0;k<H;k++)q[E+k]=std::tanh(q[E+k]);
        for(long k=0;k<H;k++)o[k]=(1-q[k])*p[k]+q[k]*q[E+k]; } }
    for(long o=0;o<O;o++){ const real*w=Wo+o*H;
      long r=0; for(;r+8<=K;r+=8){ real a[8]={0}; for(long k=0;k<H;k++)for(int u=0;u<8;u++)a[u]+=H1[(r+u)*H+k]*w[k]; for(int u=0;u<8;u++)ys[(r+u)*O+o]=a[u]; }
      for(;r<K;r++){ real a=0; for(long k=0;k<H;k++)a+=H1[r*H+k]*w[k]; ys[r*O+o]=a; } }
    sigm(K*O,ys);
    for(long s=0;s<ns;s++){ real e=0; for(long t=0;t<T;t++)for(long o=0;o<O;o++){ real y=ys[(t*ns+s)*O+o],d=Y[(idx[s]*T+t)*O+o]-y; e+=std::fabs(d); dy[(t*ns+s)*O+o]=d*(y*(1-y)); } err[idx[s]]=e; }
    memset(dWo,0,O*H*sizeof(real)); memset(fh,0,ns*H*sizeof(real));
    for(long t=T-1;t>=0;t--){ const real*h=H1+t*ns*H,*hp=h-ns*H,*ga=Ga+t*ns*F; real*po=Po+t*ns*F;
      gemm(O,H,ns,dy+t*ns*O,1,O,h,0,H,dWo,0,H,0,1);
      gemm(ns,H,O,dy+t*ns*O,O,1,dWo,0,H,up,0,H,0,0);
      for(long s=0;s<ns;s++){ const real*__restrict q=ga+s*F,*__restrict hh=h+s*H,*__restrict pp=hp+s*H,*__restrict f=fh+s*H; real*__restrict p=po+s*F,*__restrict u=up+s*H,*__restrict a=pa_+s*E,*__restrict b=pg_+s*H;
        for(long k=0;k<H;k++){ real z=q[k],c=q[E+k],d=u[k]*(hh[k]*(1-hh[k]))+f[k]+f[k],gp=d*z,zp=1-d*pp[k];
          u[k]=d*(1-z); b[k]=gp*(1-c*c); a[k]=zp*(z*(1-z)); p[k]=zp; p[E+k]=gp; } }
      gemm(ns,H,H,pg_,H,1,WgT,1,0,gh,0,H,0,0);
      for(long s=0;s<ns;s++){ const real*__restrict q=ga+s*F,*__restrict pp=hp+s*H,*__restrict c=gh+s*H; real*__restrict p=po+s*F,*__restrict u=up+s*H,*__restrict a=pa_+s*E,*__restrict f=fh+s*H;
        for(long k=0;k<H;k++){ real r=q[H+k],rp=pp[k]*c[k]; p[H+k]=rp; a[H+k]=rp*(r*(1-r)); f[k]=u[k]+r*c[k]; } }
      if(t) gemm(ns,H,E,pa_,E,1,WaT,1,0,fh,0,H,0,1);
    }
    for(long r=0;r<K;r++){ memcpy(Pa+r*E,Po+r*F,E*sizeof(real)); memcpy(Pg+r*H,Po+r*F+E,H*sizeof(real)); }
    wgrad(H,E,K,Hs,Pa,Wa,lr,pa,pb); wgrad(H,H,K,Rh,Pg,Wg,lr,pa,pb);
    transp(H,E,Wa,WaT); transp(H,H,Wg,WgT);
    gemm(I,F,K,xs,1,I,Po,0,F,Wx,1,0,lr,2);
    for(long k=0;k<O*H;k++)Wo[k]+=lr*dWo[k];
  }
  unpack(I,F,Wx,Wx_); unpack(H,E,Wa,wa); unpack(H,H,Wg,wg);
  for(long k=0;k<H;k++){ memcpy(Wh_+k*F,wa+k*E,E*sizeof(real)); memcpy(Wh_+k*F+E,wg+k*H,H*sizeof(real)); }
  for(real*p:{Wx,Wa,WaT,Wg,WgT,dWo,wa,wg,Hs,Rh,Ga,Pa,Pg,pa_,pg_,gh,up,fh,xs,ys,dy,Po,pa,pb})free(p);
}
