#define _GNU_SOURCE
#include <assert.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define NI __attribute__((noinline))
volatile int sink; volatile long zero; char *volatile vp; void *volatile keep;
typedef struct { char name[16]; void (*cb)(int); int fd; GHashTable *h; } vol_t;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lock2 = PTHREAD_MUTEX_INITIALIZER;
NI static void vol_check_fd(vol_t *v, int fd){ assert(v->fd == fd && "descriptor of the volume"); sink++; }
NI static void vol_gcheck(vol_t *v){ g_assert(v->h != NULL); sink++; }
NI static void vol_gcheck_cmp(vol_t *v, int n){ g_assert_cmpint(v->fd, ==, n); sink++; }
NI static void vol_gerror(vol_t *v){ g_error("volume %s has no pool %d", v->name, v->fd); }
NI static void vol_smash(vol_t *v, const char *s){ char b[8]; strcpy(b, s); vp=b; sink+=b[0]; }
NI static void vol_fortify(vol_t *v, const char *s, size_t n){ memcpy(v->name, s, n); sink++; }
NI static void vol_double_free(vol_t *v){ void *p = malloc(40); keep=p; free(p); free(keep); sink++; }
NI static void vol_bad_free(vol_t *v){ char *p = malloc(40); keep=p+8; free(keep); sink++; }
NI static void vol_bus(vol_t *v){ FILE *f=tmpfile(); char*m=mmap(0,4096,PROT_READ|PROT_WRITE,MAP_SHARED,fileno(f),0); m[100]=1; sink++; }
NI static void vol_divide(vol_t *v){ sink = 100 / (int)zero; sink++; }
NI static void vol_null_name(vol_t *v, char *n){ sink += strlen(n); sink++; }
NI static void vol_null_copy(vol_t *v, char *n){ sink += n[3]; sink++; }
NI static void vol_call(vol_t *v){ v->cb(3); sink++; }
NI static void vol_wild(vol_t *v){ ((void(*)(int))(vp))(3); sink++; }
NI static void vol_recurse(vol_t *v, int n){ char b[4000]; memset(b,n,sizeof b); vp=b; vol_recurse(v,n+1); sink+=b[5]; }
NI static void vol_lock_again(vol_t *v){ pthread_mutex_lock(&lock2); sink++; pthread_mutex_unlock(&lock2);}
NI static void vol_abort(vol_t *v){ abort(); }
NI static void vol_list_corrupt(vol_t *v){ GList *l=g_list_append(NULL,v); ((GList*)l)->next=(void*)0x10; keep=g_list_append(l,v); sink++; }
NI static void vol_hash(vol_t *v){ sink += g_hash_table_size((GHashTable*)zero); g_hash_table_insert(v->h, v, v); g_hash_table_lookup((void*)8,"x"); sink++; }
NI static void vol_do(vol_t *v, const char *w){
  char *big="0123456789012345678901234567890123456789012345678901234567890123456789";
  if(!strcmp(w,"assert")) vol_check_fd(v, 9);
  else if(!strcmp(w,"gassert")) vol_gcheck(v);
  else if(!strcmp(w,"gcmp")) vol_gcheck_cmp(v,7);
  else if(!strcmp(w,"gerror")) vol_gerror(v);
  else if(!strcmp(w,"smash")) vol_smash(v,big);
  else if(!strcmp(w,"fortify")) vol_fortify(v,big,64+zero);
  else if(!strcmp(w,"dfree")) vol_double_free(v);
  else if(!strcmp(w,"bfree")) vol_bad_free(v);
  else if(!strcmp(w,"bus")) vol_bus(v);
  else if(!strcmp(w,"fpe")) vol_divide(v);
  else if(!strcmp(w,"strlen")) vol_null_name(v,(char*)zero);
  else if(!strcmp(w,"deref")) vol_null_copy(v,(char*)zero);
  else if(!strcmp(w,"call")) vol_call(v);
  else if(!strcmp(w,"wild")) { vp=(char*)0x55550000dead; vol_wild(v); }
  else if(!strcmp(w,"recurse")) vol_recurse(v,0);
  else if(!strcmp(w,"abort")) vol_abort(v);
  else if(!strcmp(w,"glist")) vol_list_corrupt(v);
  else if(!strcmp(w,"deadlock")) { pthread_mutex_lock(&lock2); vol_lock_again(v);} 
  else vol_hash(v);
  sink++; }
NI static void pool_refresh(vol_t *v,const char*w){ vol_do(v,w); sink++; }
NI static void pool_dispatch(vol_t *v,const char*w){ pool_refresh(v,w); sink++; }
static char what[64];
static void *worker(void *a){ vol_t *v=calloc(1,sizeof *v); strcpy(v->name,"vol"); v->fd=4; usleep(100000); pool_dispatch(v,what); return 0; }
static void *idle(void *a){ for(;;) sleep(1000); }
static void *waiter(void*a){ static pthread_cond_t c=PTHREAD_COND_INITIALIZER; pthread_mutex_lock(&lock); for(;;) pthread_cond_wait(&c,&lock); }
int main(int c,char**v){ pthread_t t[4]; strcpy(what,v[1]); pthread_create(t,0,idle,0); pthread_create(t+1,0,waiter,0); pthread_create(t+2,0,worker,0);
 pthread_join(t[2],0); return 0; }
